"""Suggestions as they may be shown: put through every filter once more at the moment of showing, with what would change."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from advisor.models import Investor
from marketing.kernels.suiting import STEP
from marketing.models import NotInterested, Suggestion
from marketing.selectors.following import followed_among
from marketing.selectors.plans import current_plans
from marketing.selectors.suggestion_reasons import LEAST_ALIKE, beside, reason_for
from marketing.selectors.suggestion_words import LIKE_FOLLOWED, reason_in_words
from marketing.selectors.suiting import FundRow, Person, Suited, World, first_kept, judge, load_world
from portfolios.models import Fund

MOST_SHOWN = 10
PROPOSED = 40  # stored suggestions that are asked again
BY_PLAN, BY_LIKENESS = "plan", "likeness"  # what proposed a fund where no model did


@dataclass(frozen=True, slots=True)
class ShownSuggestion:
    """One fund that may be shown now, why, and by which model. Money in minor units: what a bad year may lose of `base_minor`
    before and after `step_minor` of it is bought. Where nothing is held yet (`is_plan`), both are those of the plan."""

    fund: FundRow
    position: int
    reason: str
    reason_data: dict[str, Any]
    figures: dict[str, Any]
    model: str
    run_id: int | None

    @property
    def is_plan(self) -> bool:
        return bool(self.figures["is_plan"])

    @property
    def goal_name(self) -> str:
        return str(self.figures["goal"])

    @property
    def base_minor(self) -> int:
        return int(self.figures["base_minor"])

    @property
    def step_minor(self) -> int:
        return round(STEP * self.base_minor)

    @property
    def bad_year_minor(self) -> int:
        """What a bad year could lose of the base as it is, 0 or more."""
        return max(0, round(self.figures["cvar"][0] * self.base_minor))

    @property
    def bad_year_after_minor(self) -> int:
        return max(0, round(self.figures["cvar"][1] * self.base_minor))


def suggestions_to_show(investor: Investor, *, n: int = 1) -> list[ShownSuggestion]:
    """The first suggestions of the serving run that pass every filter at this moment; else what the person's own plan lacks.

    None without consent to profiling or a level in force, nor while recommendations are off. Seven queries, one more where
    a reason speaks of a fund that they followed.
    """
    n = min(max(n, 0), MOST_SHOWN)
    stored = Suggestion.objects.filter(investor=investor, run__is_serving=True).order_by("rank")
    rows = list(stored.values_list("fund_id", "reason", "run_id", "run__algorithm")[:PROPOSED])
    learned = {fund: reason for fund, reason, _, _ in rows}
    named = [reason["fund_id"] for reason in learned.values() if isinstance(reason.get("fund_id"), int)]
    world = load_world([investor.pk], [*learned, *named])
    person = world.people.get(investor.pk)
    if person is None or person.pot_level is None:
        return []

    followed = followed_among(investor, [reason["fund_id"] for reason in learned.values() if reason.get("code") == LIKE_FOLLOWED])

    def why(fund: FundRow) -> dict[str, Any]:
        return reason_for(world, person, fund, learned.get(fund.pk, {}), followed)

    if rows and (shown := _shown(_judged(world, list(learned)), why, (rows[0][3], rows[0][2]), n)):
        return shown
    return _shown(_judged(world, lacking(person)), why, (BY_PLAN, None), n)


def first_to_show(stored: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Of people with what is stored for each, best first, the fund that each would be shown first; see `suggestions_to_show`.

    Six queries, none for nobody.
    """
    if not stored:
        return {}
    world = load_world(list(stored), {fund for funds in stored.values() for fund in funds})
    return first_kept(world, [[*funds, *(lacking(world.people[pk]) if pk in world.people else ())] for pk, funds in stored.items()])


def suggestions_beside(investor: Investor, fund: Fund, *, n: int = 2) -> list[ShownSuggestion]:
    """Funds similar to the one of a page that pass every filter for this person, the most similar first. Six queries."""
    plans = current_plans()
    similar = [plans.key[near] for near in plans.nearest(fund.code, LEAST_ALIKE) if near in plans.key]
    world = load_world([investor.pk], [fund.pk, *similar], plans)
    if investor.pk not in world.people:
        return []
    this = world.funds[fund.pk]
    return _shown(_judged(world, similar), lambda other: beside(world, other, this), (BY_LIKENESS, None), n)


def lacking(person: Person) -> list[int]:
    """Funds of the person's plan of which they have less than it holds, the largest gap first."""
    wanted = person.plan.weights if person.plan is not None else {}
    held = {} if person.is_plan else person.weights()
    gaps = {fund: weight - held.get(fund, 0.0) for fund, weight in wanted.items()}
    return sorted((fund for fund, gap in gaps.items() if gap > 0), key=lambda fund: (-gaps[fund], fund))


def declined_funds(investor: Investor) -> list[NotInterested]:
    """What the person does not want suggested, the latest first."""
    return list(NotInterested.objects.filter(investor=investor, until=None).select_related("fund").order_by("-since"))


def _judged(world: World, funds: Sequence[int]) -> Suited:
    return judge(world, np.array([list(funds)], np.int64).reshape(1, -1))


def _shown(suited: Suited, why: Callable[[FundRow], Mapping[str, Any]], by: tuple[str, int | None], n: int) -> list[ShownSuggestion]:
    """The first n that are left, with what they do and why they are shown."""
    funds, names = suited.world.funds, {pk: fund.name for pk, fund in suited.world.funds.items()}
    shown = []
    for position, place in enumerate(suited.kept(0)[:n], start=1):
        fund = funds[int(suited.candidates[0, place])]
        reason = dict(why(fund))
        shown.append(ShownSuggestion(fund, position, reason_in_words(reason, names), reason, suited.figures(0, place), *by))
    return shown
