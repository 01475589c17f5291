"""Random rules mean the same in SQL as to a judge that reads every row and asks each person by itself."""

import os
import random
from datetime import timedelta

import pytest
from django.utils import timezone

from advisor.models import Goal, Investor
from benchmarks.segments_world import make_tags, write_world
from marketing.models import NextAction, NotInterested, Segment
from marketing.selectors.segments import people_in, read_rule
from marketing.services.look_alikes import execute_look_alikes, request_look_alikes
from portfolios.models import Fund, Pool, PoolFund
from tests.advisor.site_world import make_proposal
from tests.marketing.factors_world import serve_factors
from tests.marketing.segment_judge import World, random_rule

N_PEOPLE = int(os.environ.get("N_SEGMENT_PEOPLE", "120"))
N_TREES = int(os.environ.get("N_SEGMENT_TREES", "30"))


REASONS = ["not_assessed", "level_expired", "level_ending"]


def write_tastes_and_actions() -> None:
    """Factors of most people, levels that end, next actions of most, some of funds that do not suit or were turned down, or of
    proposals that were answered and plans that run."""
    deal = random.Random(7)
    people = list(Investor.objects.order_by("pk"))
    today = timezone.localdate()
    for one in people:
        one.level_valid_until = deal.choice([None, *(today + timedelta(days=days) for days in (-1, 0, 30, 31, 200))])
        one.recommendations_off_at = timezone.now() if deal.random() < 0.1 else None
    Investor.objects.bulk_update(people, ["level_valid_until", "recommendations_off_at"])
    serve_factors({one.pk: [deal.gauss(0, 1) for _ in range(6)] for one in people if deal.random() < 0.9})
    funds = list(Fund.objects.order_by("pk"))
    pool = Pool.objects.create(name="now", is_current=True)
    PoolFund.objects.bulk_create(PoolFund(pool=pool, fund=fund) for fund in funds[: len(funds) // 2])
    for one in people:
        if deal.random() < 0.9:
            kind = deal.choice(NextAction.Kind.values)
            fund = deal.choice(funds) if kind == "place" else None
            reason = deal.choice(REASONS) if kind == "assess" else kind
            NextAction.objects.create(investor=one, kind=kind, reason=reason, fund=fund, score=1.0, day=today)
            if kind == "proposal" and deal.random() < 0.8:
                goal = Goal.objects.filter(account__investor=one).first()
                make_proposal(goal, state=deal.choice(["ready", "accepted"]))
            if fund is not None and deal.random() < 0.2:
                NotInterested.objects.create(investor=one, fund=fund, until=deal.choice([None, timezone.now()]))


@pytest.mark.django_db
def test_random_trees_find_exactly_whom_the_judge_finds():
    write_world(N_PEOPLE, N_PEOPLE * 20)
    make_tags()
    write_tastes_and_actions()
    for number in range(3):
        Segment.objects.create(name=f"Inner {number}", rule=random_rule(1_000 + number))
    wide = {"version": 1, "rule": {"field": "assets_minor", "below": 40_000_000}}
    Segment.objects.create(name="Inner, large enough to have kin", rule=wide)
    for one in Segment.objects.filter(name__startswith="Inner").order_by("pk"):
        execute_look_alikes(request_look_alikes(one.pk).pk)
    now = timezone.now()
    world, sizes, kinds, found_kinds = World(now), [], 0, set()
    for seed in range(N_TREES):
        rule = random_rule(seed)
        found = set(people_in(read_rule(rule), now=now).values_list("pk", flat=True))
        assert found == world.members(rule), (seed, rule)
        sizes.append(len(found))
        kinds += "'segment'" in str(rule)
        found_kinds |= {kind for kind in ("resembles", "next_action") if f"'{kind}'" in str(rule)}
    assert sum(0 < size < len(world.profiles) for size in sizes) > N_TREES / 2, "most rules must tell people apart"
    assert kinds, "no rule named another segment"
    assert found_kinds == {"resembles", "next_action"}
    assert any(world.kin.values()), "no seed had kin"
