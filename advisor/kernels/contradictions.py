"""Answers that do not go together, by rules kept beside the questionnaire. Hard ones stop it, soft ones ask for a word."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

Wealth = tuple[float | None, float | None]  # minor units: at least, at most; None where it is not known


class Rule(Protocol):
    """`when` lists cases; a case holds when every item it names has one of the answers it lists."""

    @property
    def code(self) -> str: ...

    @property
    def is_hard(self) -> bool: ...

    @property
    def items(self) -> tuple[str, str]: ...

    @property
    def when(self) -> Sequence[Mapping[str, Sequence[str]]]: ...

    @property
    def wealth_above_minor(self) -> int | None: ...

    @property
    def wealth_below_minor(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Contradiction:
    code: str
    is_hard: bool
    items: tuple[str, str]


def find(answers: Mapping[str, str], rules: Iterable[Rule], *, wealth_minor: Wealth = (None, None)) -> tuple[Contradiction, ...]:
    """Return the contradictions in these answers (item code -> option code), the hard ones first.

    `wealth_minor` is between what and what all wealth lies, in minor units. A rule about wealth is met only for certain:
    never where it is not known. An item without an answer contradicts nothing.
    """
    found = [Contradiction(rule.code, rule.is_hard, rule.items) for rule in rules if _is_met(rule, answers, wealth_minor)]
    return tuple(sorted(found, key=lambda one: not one.is_hard))


def _is_met(rule: Rule, answers: Mapping[str, str], wealth_minor: Wealth) -> bool:
    least, most = wealth_minor
    if rule.wealth_above_minor is not None and not (least is not None and least > rule.wealth_above_minor):
        return False
    if rule.wealth_below_minor is not None and not (most is not None and most < rule.wealth_below_minor):
        return False
    return any(all(answers.get(item) in options for item, options in case.items()) for case in rule.when)
