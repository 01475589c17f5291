"""Contenders on one task: every answer judged before any clock starts, then timed in turns."""

import contextlib
import gc
import io
import math
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmarks.engine.universes import NotHereError

Kind = Literal["ours", "peer", "cvxpy", "raw"]
SHORT = 0.002  # seconds: a turn of a quick contender is repeated until it lasts this long


class WrongAnswerError(Exception):
    """Ours gave a wrong answer: no time is printed."""


@dataclass(frozen=True)
class Contender:
    """Who, and how: `prepare` does what a user does once, and returns what is timed; `answers` says how many solves it does."""

    kind: Kind
    name: str
    prepare: Callable[[], Callable[[], Any]]
    answers: int = 1


@dataclass
class Result:
    """One line of the table: seconds a solve (median, least), the judged error, or why there is none."""

    section: str
    kind: Kind
    name: str
    seconds: float = math.nan
    fastest: float = math.nan
    error: float = math.nan
    wrong: bool = False
    note: str = ""
    turns: int = 0

    @property
    def timed(self) -> bool:
        return math.isfinite(self.seconds)


@dataclass(frozen=True)
class Judgement:
    """How far an answer is from the reference, whether that is wrong, and what is worth saying."""

    error: float
    wrong: bool
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One table: its title, how figures are shown, and the bars ours must clear (None: reported without a bar)."""

    title: str
    unit: Literal["ms", "a second"] = "ms"
    most_ms: float | None = None
    least_a_second: float | None = None
    times_best_peer: float | None = None
    results: list[Result] = field(default_factory=list)


def race(section: Section, contenders: Sequence[Contender], judge: Callable[[Contender, Any], Judgement], seconds: float) -> Section:
    """Prepare and judge everybody, then take turns for about so many seconds in all; raises WrongAnswerError for ours."""
    ready: list[tuple[Result, Callable[[], Any], int]] = []
    for contender in contenders:
        result = Result(section.title, contender.kind, contender.name)
        section.results.append(result)
        work = _judged(contender, result, judge)
        if work is not None:
            ready.append((result, work, contender.answers))
    _take_turns(ready, seconds)
    return section


def _judged(contender: Contender, result: Result, judge: Callable[[Contender, Any], Judgement]) -> Callable[[], Any] | None:
    try:
        work = contender.prepare()
        with _quiet():
            answer = work()
    except NotHereError as missing:
        result.note = str(missing)
        return None
    except Exception as failure:
        if contender.kind == "ours":
            raise
        result.note = f"failed: {type(failure).__name__}: {' '.join(str(failure).split())[:80]}"
        return None
    judgement = judge(contender, answer)
    result.error, result.wrong, result.note = judgement.error, judgement.wrong, judgement.note
    if judgement.wrong and contender.kind == "ours":
        raise WrongAnswerError(f"{result.section}: {contender.name} is wrong by {judgement.error:.1e}. {judgement.note}".strip())
    return None if judgement.wrong else work


def _take_turns(ready: list[tuple[Result, Callable[[], Any], int]], seconds: float) -> None:
    """One turn each, again and again, so that what disturbs the machine disturbs everybody."""
    once = [_timed(work, 1) for _, work, _ in ready]
    repeats = [max(1, math.ceil(SHORT / max(each, 1e-7))) for each in once]
    a_round = sum(each * n for each, n in zip(once, repeats, strict=True))
    turns = int(min(max(seconds / max(a_round, 1e-6), 1 if seconds < 1 else 5), 200))
    taken: list[list[float]] = [[] for _ in ready]
    gc.collect()
    for _ in range(turns):
        for mine, (_, work, _), n in zip(taken, ready, repeats, strict=True):
            mine.append(_timed(work, n))
    for mine, (result, _, answers) in zip(taken, ready, strict=True):
        result.seconds, result.fastest = statistics.median(mine) / answers, min(mine) / answers
        result.turns = turns


def _timed(work: Callable[[], Any], n: int) -> float:
    with _quiet():
        start = time.perf_counter()
        for _ in range(n):
            work()
        return (time.perf_counter() - start) / n


@contextlib.contextmanager
def _quiet():  # type: ignore[no-untyped-def]
    """Peers print and warn; that is not what is measured."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
