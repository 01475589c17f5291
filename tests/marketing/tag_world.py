"""A few people with profiles, and tags that rest on them."""

from datetime import date

from advisor.models import Consent
from marketing.models import Profile, Tag, TagChange
from marketing.selectors.tags import places_of, tags_of
from marketing.services import refresh_tags
from tests.marketing.crowd import agreed, crowd

DAY = date(2026, 11, 22)


def tag(code: str, node, **fields) -> Tag:
    names = {"name_zh": f"标签{code}", "name_en": code.title(), "group": "assets"}
    return Tag.objects.create(code=code, rule={"version": 1, "rule": node}, **names | fields)


def rich(at_least: int = 1_000):
    return {"field": "assets_minor", "at_least": at_least}


def persons(n: int = 3, **fields):
    """Investors who agreed to profiling, with fields of their profiles, a value for all or a list with one each."""
    people = crowd(n, prefix=f"p{Profile.objects.count()}x", consent=False)
    agreed(people, purpose=Consent.Purpose.PROFILING)
    for at, one in enumerate(people):
        own = {name: value[at] if isinstance(value, list) else value for name, value in fields.items()}
        Profile.objects.filter(pk=one.pk).update(**{"consent_profiling": True, **own})
    return people


def change(one, **fields) -> None:
    """A later build writes fields of a profile."""
    newest = max(Profile.objects.values_list("version", flat=True))
    Profile.objects.filter(pk=one.pk).update(version=newest + 1, **fields)


def codes(one) -> set[str]:
    return {tag.code for tag in tags_of(one)}


def refreshed(on: date = DAY, **how):
    run = refresh_tags(on=on, **how)
    assert run.status == "done", run.error
    return run


def changes(**fields) -> list[tuple[str, int, bool, date]]:
    rows = TagChange.objects.filter(**fields).order_by("date", "tag__code", "investor_id")
    return list(rows.values_list("tag__code", "investor_id", "is_gained", "date"))


def bits_of(row) -> set[tuple[int, int]]:
    return places_of([getattr(row, f"w{word}") for word in range(20)])
