import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from identity.phone import looks_like_phone, normalise


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("13800138000", "+8613800138000"), ("138 0013 8000", "+8613800138000"), ("138-0013-8000", "+8613800138000"),
        ("+86 138 0013 8000", "+8613800138000"), ("0086 13800138000", "+8613800138000"), ("１３８００１３８０００", "+8613800138000"),
        ("+852 6123 4567", "+85261234567"), ("(+1) 415.555.0100", "+14155550100"), ("  19912345678 ", "+8619912345678"),
    ],
)  # fmt: skip
def test_numbers_are_kept_in_one_form(typed, kept):
    assert normalise(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "1380013800",
        "138001380000",
        "12800138000",
        "+8612345678901",
        "61234567",
        "+0123456789",
        "abc",
        "138x0138000",
        "+86",
        "138٠٠١٣٨٠٠٠",
        "+852٦١٢٣٤٥٦٧",
    ],
)
def test_what_is_no_mobile_number_is_refused_with_an_example(typed):
    with pytest.raises(ValidationError, match=r"138 0013 8000|手机"):
        normalise(typed)


@given(st.text(max_size=30))
def test_whatever_is_typed_is_kept_in_e164_or_refused(typed):
    try:
        kept = normalise(typed)
    except ValidationError:
        return
    assert kept.startswith("+") and kept[1:].isdigit() and kept.isascii() and len(kept) <= 16
    assert normalise(kept) == kept


@pytest.mark.parametrize(("typed", "is_phone"), [("13800138000", True), ("a1@example.com", False), ("anna", False)])
def test_a_number_is_told_from_an_address(typed, is_phone):
    assert looks_like_phone(typed) == is_phone
