"""People of whom one thing is best done next, and the funds that may be proposed to them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from advisor.models import Consent, Household, Investor
from marketing.models import NextAction, Profile, RecommenderRun, Suggestion
from marketing.selectors.next_actions import to_draw
from marketing.selectors.segments import people_in, read_rule
from portfolios.models import Fund, Pool, PoolFund
from tests.marketing.crowd import agreed, crowd
from tests.marketing.suiting_world import approve_plain_models

EN = {"headers": {"accept-language": "en"}}
IDLE = {"dormancy": "active", "assets_minor": 10_000_000, "idle_cash_minor": 6_000_000}


@pytest.fixture
def funds():
    """Five funds of the pool, R1 to R5, approved models of them, and a run that serves."""
    pool = Pool.objects.create(name="now", is_current=True)
    made = [
        Fund.objects.create(
            code=f"N{grade:05d}", name_en=f"Fund {grade}", category="mixed", asset_class="mixed", risk_grade=grade, source="test"
        )
        for grade in range(1, 6)
    ]  # fmt: skip
    PoolFund.objects.bulk_create(PoolFund(pool=pool, fund=fund) for fund in made)
    RecommenderRun.objects.create(status="done", is_serving=True)
    approve_plain_models()
    return made


def persons(n: int = 1, *, level=3, days=200, wants=True, profiling=True, **profile):
    people = crowd(n, prefix=f"p{Investor.objects.count()}x", consent=False)
    until = None if days is None else timezone.localdate() + timedelta(days=days)
    Investor.objects.filter(pk__in=[one.pk for one in people]).update(level=level, level_valid_until=until)
    Profile.objects.filter(pk__in=[one.pk for one in people]).update(**{"dormancy": "active", "idle_cash_minor": 0} | profile)
    if profiling:
        agreed(people, purpose=Consent.Purpose.PROFILING)
    if wants:
        agreed(people)
    return people


def suggest(people, *ranked):
    run = RecommenderRun.objects.get(is_serving=True)
    Suggestion.objects.bulk_create(
        Suggestion(run=run, investor=one, fund=fund, rank=rank, score=1.0) for one in people for rank, fund in enumerate(ranked, 1)
    )


def one_of(investor) -> NextAction | None:
    return NextAction.objects.filter(investor=investor).first()


def rows():
    return list(NextAction.objects.order_by("pk").values_list("pk", "kind", "fund", "channel", "hour", "reason", "data", "score", "day"))


def drawn() -> set[int]:
    return set(to_draw().values_list("pk", flat=True))


def in_segment(*kinds, is_in=True) -> set[int]:
    rule = read_rule({"version": 1, "rule": {"next_action": list(kinds), "is_in": is_in}})
    return set(people_in(rule).values_list("pk", flat=True))


def advised(people, advisor, n: int, funds):
    found = persons(n, **IDLE | {"has_advisor": True})
    household = Household.objects.create(name=f"Of {advisor}", branch=people.anna_investor.household.branch, primary_advisor=advisor)
    Investor.objects.filter(pk__in=[one.pk for one in found]).update(household=household)
    suggest(found, funds[0])
    return found
