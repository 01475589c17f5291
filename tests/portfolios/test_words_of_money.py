"""How numbers and sentences are set: a percent sign as the language has it, separators, no gaps behind Chinese punctuation."""

import pytest
from django.utils.translation import override

from portfolios.templatetags.money import bps, closed_up, count, percent, percent_change, unbroken


@pytest.mark.parametrize(("language", "said"), [("en", "12.3\u00a0%"), ("zh-hans", "12.3%")])
def test_a_percent_sign_follows_the_language(language, said):
    with override(language):
        assert percent(0.123) == said
        assert percent_change(0.123) == f"+{said}"
        assert bps(1_230).endswith(said[-1])


def test_counts_have_separators():
    assert [count(0), count(1_151), count(None)] == ["0", "1,151", "–"]


def test_chinese_sentences_stand_side_by_side():
    assert closed_up("<p>有备用金。\n  没有负债。 <a>更改</a></p>") == "<p>有备用金。没有负债。<a>更改</a></p>"
    assert closed_up("One. Two, “three” four") == "One. Two, “three” four"


def test_what_people_write_in_a_form_keeps_its_lines():
    written = "<textarea>您好。\n再见。</textarea>"
    assert closed_up(written) == written


def test_an_unbroken_date_is_escaped():
    assert unbroken("<2027-02-09>") == '<span class="text-nowrap">&lt;2027-02-09&gt;</span>'
