"""What changed for each fund between two screens: who entered, who left, whose rank moved most, whose gates differ."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from django.db.models import Q

from portfolios.models import Fund, ScreenRow, ScreenRun
from portfolios.selectors.screen_words import gate_name, screen_rules, why

Kind = Literal["entered", "left", "moved", "gates"]
KINDS: tuple[Kind, ...] = ("entered", "left", "moved", "gates")
MOST_MOVED = 100


@dataclass(frozen=True, slots=True)
class Changes:
    """Ids of the funds that changed from one run to another, by kind of change, those that matter most first."""

    before: ScreenRun
    after: ScreenRun
    entered: list[int]
    left: list[int]
    moved: list[int]  # ranked in both, the largest change of the percentile first, at most MOST_MOVED
    gates: list[int]  # fail other gates than before
    n_stayed: int

    def of(self, kind: Kind) -> list[int]:
        found: list[int] = getattr(self, kind)
        return found


@dataclass(frozen=True, slots=True)
class ChangedFund:
    """A fund with its rows of both runs, None where a run has none, and why the later one has it in or out."""

    fund: Fund
    before: ScreenRow | None
    after: ScreenRow | None
    why: str
    moved: float | None
    fails_now: list[str]
    passes_now: list[str]

    @property
    def points(self) -> str:
        """The change of the percentile in points, with its sign."""
        return "" if self.moved is None else f"{round(self.moved * 100):+d}".replace("-", "\N{MINUS SIGN}").replace("+0", "0")


def changes_between(before: ScreenRun, after: ScreenRun) -> Changes:
    """Find what changed. Two queries, a few columns of every row."""
    ranks, failing = _ranks((before, after)), _gates((before, after))
    was, now = ranks[before.pk], ranks[after.pk]
    failed, fails = failing[before.pk], failing[after.pk]
    had, has = ({fund for fund, (is_in, _) in found.items() if is_in} for found in (was, now))
    ranked = [fund for fund, (_, p) in now.items() if p is not None and fund in was and was[fund][1] is not None]
    by_move = sorted(ranked, key=lambda fund: (-abs((now[fund][1] or 0.0) - (was[fund][1] or 0.0)), fund))
    differing = [fund for fund in was.keys() & now.keys() if failed.get(fund) != fails.get(fund)]
    # A fund that the change took out of the pool or let in comes first.
    differing.sort(key=lambda fund: (now[fund][0] == was[fund][0], fund))
    return Changes(
        before,
        after,
        entered=sorted(has - had, key=lambda fund: (-(now[fund][1] or 0.0), fund)),
        left=sorted(had - has, key=lambda fund: (-(was[fund][1] or 0.0), fund)),
        moved=[fund for fund in by_move if now[fund][1] != was[fund][1]][:MOST_MOVED],
        gates=differing,
        n_stayed=len(had & has),
    )


def _ranks(runs: Collection[ScreenRun]) -> dict[int, dict[int, tuple[bool, float | None]]]:
    found: dict[int, dict[int, tuple[bool, float | None]]] = {run.pk: {} for run in runs}
    for run, fund, is_in, percentile in ScreenRow.objects.filter(run__in=runs).values_list("run_id", "fund_id", "is_in", "percentile"):
        found[run][fund] = (is_in, percentile)
    return found


def _gates(runs: Collection[ScreenRun]) -> dict[int, dict[int, frozenset[str]]]:
    found: dict[int, dict[int, frozenset[str]]] = {run.pk: {} for run in runs}
    for run, fund, gates in ScreenRow.objects.filter(run__in=runs).exclude(gates=[]).values_list("run_id", "fund_id", "gates"):
        found[run][fund] = frozenset(gate["code"] for gate in gates)
    return found


def changed_funds(changes: Changes, ids: Collection[int]) -> list[ChangedFund]:
    """Some of the funds that changed, in the order given, with both rows. Two queries."""
    rules = screen_rules(changes.after)
    rows = list(ScreenRow.objects.filter(run__in=(changes.before, changes.after), fund__in=ids))
    was, now = ({row.fund_id: row for row in rows if row.run_id == run.pk} for run in (changes.before, changes.after))
    funds = Fund.objects.in_bulk(list(ids))
    return [_changed(funds[fund], was.get(fund), now.get(fund), why(now[fund], rules) if fund in now else "") for fund in ids]


def _changed(fund: Fund, before: ScreenRow | None, after: ScreenRow | None, sentence: str) -> ChangedFund:
    moved = None
    if before is not None and after is not None and before.percentile is not None and after.percentile is not None:
        moved = after.percentile - before.percentile
    failed, fails = ({gate["code"] for gate in row.gates} if row else set() for row in (before, after))
    names = [[gate_name(code) for code in sorted(codes)] for codes in (fails - failed, failed - fails)]
    return ChangedFund(fund, before, after, sentence, moved, names[0], names[1])


def run_to_compare(after: ScreenRun, asked: str) -> ScreenRun | None:
    """The run asked for by its number, else the one that this one followed, else the newest finished one before it."""
    done = ScreenRun.objects.filter(status=ScreenRun.Status.DONE).exclude(pk=after.pk)
    if asked.isdecimal() and len(asked) < 19:
        return done.filter(pk=int(asked)).first()
    earlier = done.filter(Q(pk=after.previous_id) | Q(data_date__lte=after.data_date)).defer("versions")
    return earlier.annotate(followed=Q(pk=after.previous_id)).order_by("-followed", "-data_date", "-pk").first()
