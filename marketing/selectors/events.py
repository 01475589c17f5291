"""How far back events are kept, and whom they may be told of."""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache

from advisor.models import Consent, Investor
from advisor.selectors import investors_with_consent
from marketing.catalogue.events import theme_of
from marketing.models import AnonymousIdentity
from marketing.partitions import add_months
from portfolios.models import Fund

KEYS_KEPT = timedelta(days=30)  # so long a repeat is known for one
STRANGERS_KEPT = timedelta(days=90)  # visits of people who never said who they are


def oldest_kept(now: datetime) -> datetime:
    """The beginning of the first month that is still kept, in UTC, as partitions end."""
    month = add_months(now.date(), -settings.EVENT_RETENTION_MONTHS)
    return now.replace(year=month.year, month=month.month, day=1, hour=0, minute=0, second=0, microsecond=0)


def fund_facts(code: str) -> dict[str, str]:
    """What is kept with a view of a fund, so that it can be asked for: category, company, theme. Read once an hour a fund."""
    key = f"fund-facts:{hashlib.sha256(code.encode()).hexdigest()[:24]}"
    facts: dict[str, str] | None = cache.get(key)
    if facts is None:
        row = Fund.objects.filter(code=code).values("category", "company", "name_zh", "name_en").first()
        named = row and {"category": row["category"], "company": row["company"], "theme": theme_of(f"{row['name_zh']} {row['name_en']}")}
        facts = {name: value for name, value in (named or {}).items() if value}
        cache.set(key, facts, timeout=3600)
    return facts


def agreed_by_pseudonym(pseudonyms: Collection[str]) -> dict[str, int | None]:
    """The investors who have these pseudonyms, None for those who do not agree to profiling."""
    if not pseudonyms:
        return {}
    found: dict[str, int | None] = dict(
        investors_with_consent(Consent.Purpose.PROFILING).filter(pseudonym__in=pseudonyms).values_list("pseudonym", "pk")
    )
    if others := set(pseudonyms) - found.keys():
        found |= dict.fromkeys(Investor.objects.filter(pseudonym__in=others).values_list("pseudonym", flat=True))
    return found


def owners_of_visitors(anonymous_ids: Collection[str]) -> dict[str, int]:
    """Whose the ids are, of those that were joined to somebody."""
    rows = AnonymousIdentity.objects.filter(pk__in=anonymous_ids).values_list("pk", "investor_id")
    return dict(rows) if anonymous_ids else {}


def agreed_to_profiling(investors: Collection[int]) -> set[int]:
    """Those of the investors whose latest answer is a yes."""
    if not investors:
        return set()
    return set(investors_with_consent(Consent.Purpose.PROFILING).filter(pk__in=investors).values_list("pk", flat=True))
