"""The second half of a night: the chosen model learns from everything, everybody's suggestions are written, and the pointer moves."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from advisor.selectors import recommendable_funds, suits_own_level
from marketing.kernels.interactions import BOUGHT, KINDS
from marketing.kernels.packed import FORMAT
from marketing.kernels.places import places_among
from marketing.kernels.recommenders.contract import Recommender
from marketing.kernels.recommenders.factors import FactorModel
from marketing.kernels.recommenders.nearest import MayTell, nearest_touched
from marketing.models import InvestorFactors, RecommenderPart, RecommenderRun, Suggestion
from marketing.selectors.interactions import next_to_suggest_to, suggestible
from marketing.selectors.plans import current_plans
from marketing.selectors.suggestion_reasons import moves_alike
from marketing.selectors.suggestion_words import LIKE_BOUGHT, LIKE_FOLLOWED, LIKE_VIEWED
from marketing.selectors.suiting import Suited, suit_block
from marketing.services.recommender_night import Night
from marketing.services.recommender_parts import PEOPLE_A_WRITE, forget, fund_factors_part, investor_factor_rows, restore
from marketing.services.recommender_training import MODEL_ERRORS, said_by
from marketing.services.spark import candidates
from portfolios.kernels.errors import DataError
from portfolios.models import Fund

log = logging.getLogger(__name__)

SUGGESTIONS_EACH, PROPOSED_EACH = 10, 40
BLOCK = 1_000  # people whose suggestions are written at once
SPACE = "als"  # whose factors place people where the serving model has none
Stage = RecommenderRun.Stage


def fit_on_everything(night: Night) -> None:
    """Train the chosen model on all that is known, and keep the factors: the model's own, or those of `SPACE`.

    Where that one cannot be trained there are none: look-alikes stay as they are. Raises DataError("model_failed").
    """
    run, matrix = night.run, night.matrix
    forget(RecommenderPart.objects.filter(run=run), night)  # what the guard has read, and what a worker that died here left
    forget(InvestorFactors.objects.filter(run=run), night)
    night.model = _fitted(night, run.algorithm)
    space = _space(night, night.model)
    if space is not None:
        with transaction.atomic():
            night.write(n_total=len(matrix.users))
            fund_factors_part(run, space.name, matrix, np.asarray(space.item_factors))
        vectors = np.asarray(space.user_factors)
        for start in range(0, len(matrix.users), PEOPLE_A_WRITE):
            rows = investor_factor_rows(run, matrix, vectors, start)
            with transaction.atomic():
                night.write(n_done=start + len(rows))
                InvestorFactors.objects.bulk_create(rows)
    night.enter(
        Stage.WRITE,
        facts={"factors": space and {"model": space.name, "factors": int(space.item_factors.shape[1]), "format": FORMAT}},
        settings=night.model.as_json(),
        factors_format=FORMAT if space is not None else 0,
        last_investor=0,
        n_total=suggestible(timezone.now()).count(),
    )


def _made(night: Night, name: str) -> Recommender:
    """A model by its name. Raises DataError("model_gone"): settings may have changed since the guard decided."""
    make = candidates(night.run.seed).get(name)
    if make is None:
        raise DataError("model_gone", name=name)
    return make()


def _fitted(night: Night, name: str) -> Recommender:
    try:
        model = _made(night, name)
        model.fit(night.matrix.values)
    except MODEL_ERRORS as error:
        log.exception("%s could not be trained on everything", name)
        raise DataError("model_failed", name=name, said=said_by(error)) from error
    return model


def _space(night: Night, model: Any) -> Any:
    """A fitted model that places people and funds: the one that is to serve, or `SPACE`; None where that fails."""
    if hasattr(model, "user_factors"):
        return model
    try:
        return _fitted(night, SPACE)
    except DataError:
        return None


def _model_again(night: Night) -> Recommender:
    """The model of a run that another worker began to write: from the stored factors, or fitted again where they are of no use."""
    model = _made(night, night.run.algorithm)
    if isinstance(model, FactorModel):
        try:
            return restore(night.run, model, night.matrix)
        except DataError as error:
            night.note(refitted={"code": error.code, **error.params})
    return _fitted(night, night.run.algorithm)


def write_everybody(night: Night) -> None:
    """Write the suggestions of everybody who may have some, a block of people at a time, behind the last block written."""
    run = night.run
    model = night.model or _model_again(night)
    more = {LIKE_FOLLOWED: _pairs(night, ("follow",)), LIKE_BOUGHT: _pairs(night, BOUGHT)}
    may_tell = _that_move_alike(night)
    while block := next_to_suggest_to(run.last_investor, BLOCK, timezone.now()):
        rows, suited = _suggestions(night, model, block, more, may_tell)
        filters = _added(run.report.get("filters", {}), suited)
        with transaction.atomic():
            night.write(last_investor=block[-1][0], n_done=run.n_done + len(block), report=run.report | {"filters": filters})
            Suggestion.objects.bulk_create(rows, batch_size=BLOCK)
    night.enter(Stage.SWAP, facts={})


def _suggestions(
    night: Night, model: Recommender, block: list[tuple[int, int]], more: dict[str, Any], may_tell: MayTell
) -> tuple[list[Suggestion], Suited]:
    """Rank over what each one's level may be offered, and let through what is suitable, fits and is diverse."""
    matrix = night.matrix
    investors, levels = (np.array(column, np.int64) for column in zip(*block, strict=True))
    row, is_known = places_among(matrix.users, investors)
    funds = np.full((len(investors), PROPOSED_EACH), -1, np.int64)
    scores = np.zeros((len(investors), PROPOSED_EACH), np.float32)
    for level in np.unique(levels[is_known]).tolist():
        ours = np.flatnonzero(is_known & (levels == level))
        allowed, is_there = places_among(matrix.items, np.array(sorted(recommendable_funds(level).values_list("pk", flat=True)), np.int64))
        ranking = model.rank(row[ours], matrix.values, n=PROPOSED_EACH, allowed=allowed[is_there])
        funds[ours] = np.where(ranking.items >= 0, matrix.items[ranking.items], -1)
        scores[ours] = ranking.scores
    suited = suit_block(investors.tolist(), funds)
    picked = [(at, place, rank) for at in range(len(block)) for rank, place in enumerate(suited.kept(at)[:SUGGESTIONS_EACH], 1)]
    who, place = (np.array([one[k] for one in picked], np.int64) for k in (0, 1))
    reasons = _reasons(night, model, row[who], funds[who, place], more, may_tell)
    return [
        Suggestion(
            run=night.run, investor_id=int(investors[at]), fund_id=int(funds[at, column]), rank=rank, score=float(scores[at, column]),
            reason=reason, fit=suited.figures(at, column),
        )
        for (at, column, rank), reason in zip(picked, reasons, strict=True)
    ], suited  # fmt: skip


def _reasons(night: Night, model: Recommender, rows: Any, funds: Any, more: dict[str, Any], may_tell: MayTell) -> list[dict[str, Any]]:
    """What each suggestion is like that its person touched, by the most they did with it; nothing where there is nothing alike.

    `more` has the pairs of each reason that says more than that something was looked at, the most telling last.
    """
    matrix = night.matrix
    near = nearest_touched(model, matrix, rows, np.searchsorted(matrix.items, funds), may_tell)
    codes = np.full(len(near), LIKE_VIEWED, object)
    for code, pairs in more.items():
        _, is_so = places_among(pairs, rows * len(matrix.items) + near)
        codes[is_so] = code
    return [
        {"code": code, "fund_id": int(matrix.items[column])} if column >= 0 else {}
        for column, code in zip(near.tolist(), codes.tolist(), strict=True)
    ]


def _pairs(night: Night, kinds: Sequence[str]) -> Any:
    """Row * number of items + column of what was done in one of these ways, ascending."""
    seen, matrix = night.seen, night.matrix
    is_so = np.isin(seen.kind, [KINDS.index(kind) for kind in kinds])
    row, column = np.searchsorted(matrix.users, seen.user[is_so]), np.searchsorted(matrix.items, seen.item[is_so])
    return np.unique(row * len(matrix.items) + column)


def _that_move_alike(night: Night) -> MayTell:
    """Whoever buys two funds need not find them alike: only those that also move together are said to be similar."""
    plans, items = current_plans(), night.matrix.items.tolist()
    codes = dict(Fund.objects.filter(pk__in=items).values_list("pk", "code"))
    column = np.array([plans.column.get(codes.get(pk, ""), -1) for pk in items], np.int64)
    return lambda one, other: moves_alike(plans, column[one], column[other])


def _added(before: dict[str, Any], suited: Suited) -> dict[str, Any]:
    """The counts of the filters with those of one block more."""
    counts, changes = suited.counts, suited.utility_changes
    removed = {name: n for name, n in counts.items() if name not in ("proposed", "kept")}
    known = before.get("removed", {})
    mean, n = (before.get("utility_change", {}).get(name, 0) for name in ("mean", "n"))
    total = n + len(changes)
    return {
        "proposed": before.get("proposed", 0) + counts["proposed"],
        "kept": before.get("kept", 0) + counts["kept"],
        "removed": {name: known.get(name, 0) + more for name, more in removed.items()},
        "utility_change": {"mean": (mean * n + float(changes.sum())) / total if total else 0.0, "n": total},
    }


def take_over(night: Night) -> None:
    """Look once more that nothing stands above anybody's level of now, and move the pointer.

    Raises DataError("nothing_to_show") where nothing is left, as without approved models or a current pool: what served stays.
    """
    run = night.run
    forget(_unsuitable(run), night)
    rows = Suggestion.objects.filter(run=run)
    served = {
        "people": rows.values("investor").distinct().count(),
        "rows": rows.count(),
        "unsuitable": _unsuitable(run).count(),
    }
    if not served["rows"]:
        raise DataError("nothing_to_show")
    with transaction.atomic():
        RecommenderRun.objects.filter(is_serving=True).exclude(pk=run.pk).update(is_serving=False)
        night.end(facts={"served": served}, is_serving=True)


def _unsuitable(run: RecommenderRun) -> Any:
    """Suggestions of a run that may not be shown to their person today: their level fell or lapsed, or the fund changed, meanwhile."""
    return Suggestion.objects.filter(run=run).exclude(suits_own_level(), investor__in=suggestible(timezone.now()).values("pk"))
