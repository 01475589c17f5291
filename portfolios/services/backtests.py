"""Backtests: asked for with frozen inputs, decided day by day by a claimed job that can be killed, shown when whole."""

import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Max

from config.jobs import Job, claim_job, fail_job, finish_job, ring_by_name, write_if_claimed
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError, KernelError
from portfolios.kernels.types import ReturnMatrix
from portfolios.models import Backtest, BacktestStep, Fund, FundFact, FundSize, GradeChange, NavYear
from portfolios.selectors.history import return_matrix
from portfolios.services.backtest_result import held_weights, result_of
from portfolios.services.backtest_world import Decision, World, decide

TASK = "portfolios.execute_backtest"
LEASE_SECONDS = 180
EVERY_MONTHS = (1, 3, 6, 12)
COSTS = ("rules", "caps", "none")
INDEX_FUNDS = ("marked", "all", "none")
FOLLOWS = ("advice", "model")
LEAST_DAYS = 365
MOST_FUNDS = 200
MOST_SCREENED = 1_000  # funds of a market that is screened anew at each decision
_ROWS_A_READ = 500


@dataclass(frozen=True)
class BacktestInputs:
    """What to test: a list of funds, from when to when, how often it is decided, at which costs, and against what.

    `index_funds` says which funds the single-fund cap excepts. `follows`: a level goes to its model whatever that costs, or to
    what advice would make of what it holds, costs weighed against the horizon. `cash`, `equity` and `bond` name the funds of
    the benchmarks; left empty they are those of the money-market, share and bond classes among the funds, of shares the index
    funds if there are any. Without `funds` the pool is screened anew at each decision, from all funds of the market.
    """

    start: date
    end: date
    funds: tuple[str, ...] = ()
    levels: tuple[int, ...] = (1, 2, 3, 4, 5)
    every_months: int = 3
    bands: bool = True
    costs: str = "rules"
    index_funds: str = "marked"
    follows: str = "advice"
    cash: tuple[str, ...] = ()
    equity: tuple[str, ...] = ()
    bond: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.end - self.start).days < LEAST_DAYS:
            raise DataError("backtest_too_short", days=LEAST_DAYS)
        unknown = [level for level in self.levels if level not in jurisdiction().levels]
        if unknown or not self.levels:
            raise DataError(
                "unknown_level", level=unknown[0] if unknown else "", known=", ".join(str(row) for row in jurisdiction().levels)
            )
        chosen = (self.every_months, EVERY_MONTHS), (self.costs, COSTS), (self.index_funds, INDEX_FUNDS), (self.follows, FOLLOWS)
        for value, known in chosen:
            if value not in known:
                raise DataError("unknown_choice", value=value, known=", ".join(map(str, known)))
        if len(self.funds) > MOST_FUNDS:
            raise DataError("too_many_funds", n_funds=len(self.funds), most=MOST_FUNDS)


def request_backtest(*, name: str, inputs: BacktestInputs, actor: Any = None) -> Backtest:
    """Write a queued backtest with its inputs frozen and ring the worker; the same inputs again return the one there is.

    Raises DataError naming a fund that is unknown, or where no fund has prices by the first day.
    """
    frozen = _freeze(inputs)
    sha256 = hashlib.sha256(json.dumps(frozen, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    same = Backtest.objects.filter(inputs_sha256=sha256).exclude(status=Job.Status.FAILED)
    with transaction.atomic():
        if found := same.first():
            return found
        try:
            with transaction.atomic():
                backtest = Backtest.objects.create(
                    name=name[:120],
                    inputs=frozen,
                    inputs_sha256=sha256,
                    is_simulated=any(row["is_simulated"] for row in frozen["funds"]),
                    requested_by=actor,
                )
        except IntegrityError:  # the other of two clicks was quicker
            return same.get()
        ring_by_name(TASK, backtest.pk, queue="bulk")
    return backtest


def _freeze(inputs: BacktestInputs) -> dict[str, Any]:
    rules = jurisdiction()
    funds = _funds_of(inputs)
    rows = [_facts(fund) for fund in funds]
    first = min((fund.inception_date for fund in funds if fund.inception_date), default=None)
    if first is None or first > inputs.start:
        raise DataError("no_price_by", date=inputs.start.isoformat())
    return {
        "start": inputs.start.isoformat(),
        "end": inputs.end.isoformat(),
        "pool": sorted(inputs.funds) or "screen",
        "funds": rows,
        "levels": sorted(set(inputs.levels)),
        "every_months": inputs.every_months,
        "bands": inputs.bands,
        "costs": inputs.costs,
        "index_funds": inputs.index_funds,
        "follows": inputs.follows,
        "cash": sorted(inputs.cash) or _side(rows, {"money_market"}),
        "equity": sorted(inputs.equity) or _side(rows, {"equity", "overseas_equity"}),
        "bond": sorted(inputs.bond) or _side(rows, {"bond"}),
        "publication_lag": rules.screen.publication_lag.nav_days,
        "history_years": rules.advice.history_years,
        "rules": rules.version,
        "data_sha256": data_digest([fund.pk for fund in funds], inputs.end),
        "facts": [] if inputs.funds else _facts_digest(),
    }


def _funds_of(inputs: BacktestInputs) -> list[Fund]:
    """The funds whose prices are needed: those named, or the whole market; by code."""
    rules = jurisdiction()
    named = sorted({*inputs.funds, *inputs.cash, *inputs.equity, *inputs.bond})
    if not inputs.funds:
        market = {fund.code: fund for fund in Fund.objects.filter(category__in=rules.categories).order_by("code")[: MOST_SCREENED + 1]}
        if len(market) > MOST_SCREENED:
            raise DataError("too_many_funds", n_funds=len(market), most=MOST_SCREENED)
    else:
        market = {fund.code: fund for fund in Fund.objects.filter(code__in=named).order_by("code")}
    for code in named:
        if code not in market:
            raise DataError("unknown_fund_code", fund=code)
        if market[code].category not in rules.categories:
            raise DataError("unknown_category", fund=code, category=market[code].category)
    return list(market.values())


def _side(rows: list[dict[str, Any]], classes: set[str]) -> list[str]:
    """The funds of some classes, only those that track an index if there are any."""
    found = [row for row in rows if row["asset_class"] in classes]
    return [row["code"] for row in found if row["is_index"]] or [row["code"] for row in found]


def _facts_digest() -> list[int]:
    """How many dated facts there are and the last of each kind: what a screen of the past reads beside prices."""
    kinds = (FundSize, FundFact, GradeChange)
    return [number or 0 for kind in kinds for number in kind.objects.aggregate(n=Count("pk"), last=Max("pk")).values()]


def _facts(fund: Fund) -> dict[str, Any]:
    kept = ("code", "category", "asset_class", "is_index", "purchase_fee_bps", "is_simulated")
    return {name: getattr(fund, name) for name in kept} | {"grade": fund.issuer_grade or jurisdiction().categories[fund.category].grade}


def data_digest(fund_ids: Iterable[int], until: date) -> str:
    """A digest of the funds' total returns up to a day: what is published later leaves it as it is, a restated NAV does not."""
    digest = hashlib.sha256()
    rows = NavYear.objects.filter(fund_id__in=list(fund_ids), year__lte=until.year).order_by("fund__code", "year")
    last = until.toordinal()
    for code, packed_days, packed in rows.values_list("fund__code", "days", "total_return").iterator(_ROWS_A_READ):
        days = memoryview(bytes(packed_days)).cast("i")
        n_known = sum(1 for day in days if day <= last) if days and days[-1] > last else len(days)
        digest.update(code.encode() + bytes(packed_days)[: 4 * n_known] + bytes(packed)[: 8 * n_known])
    return digest.hexdigest()


def execute_backtest(pk: int) -> bool:
    """Claim a backtest, decide its days one by one, and write the result; False when it is somebody else's.

    Safe to repeat: each decided day is a row written while the claim holds, and whoever claims it next goes on from there.
    """
    token = claim_job(Backtest, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    backtest = Backtest.objects.get(pk=pk)
    try:
        world, past = load_world(backtest.inputs)
        if not _decide_all(backtest, world, token):
            return False
        decisions = {row: step.weights for row, step in _steps(backtest, world).items()}
        result = result_of(world, decisions, past)
    except KernelError as error:
        params = json.loads(json.dumps(error.params, default=str))
        return fail_job(Backtest, pk, token, {"code": error.code, "params": params})
    return finish_job(Backtest, pk, token, result=result)


def load_world(inputs: dict[str, Any]) -> tuple[World, ReturnMatrix]:
    """Read the prices of a backtest: up to its end, and from before its start what bad times can be replayed on.

    Raises DataError("data_changed") where the prices are no longer those of the request.
    """
    codes = [row["code"] for row in inputs["funds"]]
    end, start = date.fromisoformat(inputs["end"]), date.fromisoformat(inputs["start"])
    ids = Fund.objects.filter(code__in=codes).values_list("pk", flat=True)
    if data_digest(ids, end) != inputs["data_sha256"] or (inputs["pool"] == "screen" and _facts_digest() != inputs["facts"]):
        raise DataError("data_changed")
    whole = return_matrix(codes)
    whole = _between(whole, date.min, end)
    since = start - timedelta(days=round(365.25 * inputs["history_years"]) + 31)
    return World(inputs, _between(whole, since, end)), whole


def _between(matrix: ReturnMatrix, first: date, last: date) -> ReturnMatrix:
    kept = (matrix.dates >= first.toordinal()) & (matrix.dates <= last.toordinal())
    return ReturnMatrix(matrix.codes, matrix.dates[kept], matrix.values[kept])


def _decide_all(backtest: Backtest, world: World, token: uuid.UUID) -> bool:
    """Decide the days that have no step yet, each written with the claim; False where the claim is lost."""
    rows = world.decision_rows
    done = {row: Decision(step.weights, step.notes, step.screen) for row, step in _steps(backtest, world).items()}
    for n_done, row in enumerate(rows):
        if row in done:
            continue
        decision = decide(world, row, done, held_weights(world, {at: one.weights for at, one in done.items()}, row))
        with transaction.atomic():
            if not write_if_claimed(Backtest, backtest.pk, token, lease_seconds=LEASE_SECONDS, n_done=n_done + 1, n_total=len(rows)):
                return False
            made = {"weights": decision.weights, "notes": decision.notes, "screen": decision.screen}
            BacktestStep.objects.create(backtest=backtest, day=world.day(row), **made)
        done[row] = decision
    return True


def _steps(backtest: Backtest, world: World) -> dict[int, BacktestStep]:
    row_of = {int(world.matrix.dates[row]): row for row in world.decision_rows}
    return {row_of[step.day.toordinal()]: step for step in backtest.steps.order_by("day")}
