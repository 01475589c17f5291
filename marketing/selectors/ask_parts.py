"""What answers are made of: bars with the segment behind each, and the words of steps."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy

from marketing.catalogue.events import event_label
from marketing.kernels.ask import Step
from marketing.selectors.audience import SMALLEST_GROUP

FACT_WORDS = {
    "joined": gettext_lazy("registered"),
    "assessed": gettext_lazy("finished the questionnaire"),
    "goal": gettext_lazy("named a goal"),
    "accepted": gettext_lazy("accepted a proposal"),
    "order": gettext_lazy("an order of any kind"),
    "decision": gettext_lazy("decided on an order"),
    "purchase": gettext_lazy("decided on a purchase"),
    "redemption": gettext_lazy("decided on a redemption"),
    "plan": gettext_lazy("an instalment of a plan"),
    "sent": gettext_lazy("was sent a message"),
    "opened": gettext_lazy("opened a message"),
    "clicked": gettext_lazy("clicked in a message"),
}


class CannotAnswer(ValueError):
    """The question names what is not there, or may not be asked; the message is a sentence for whoever asked."""


@dataclass(frozen=True, slots=True)
class Line:
    """A bar with its row: how many people (None: withheld), which share of all, and the rule of the segment behind it."""

    label: str
    count: int | None
    share: float | None = None
    note: str = ""
    rule: dict[str, Any] | None = None
    other_rule: dict[str, Any] | None = None  # who fell away here


@dataclass(frozen=True, slots=True)
class Answer:
    """What is shown: the sentence first, then the bars or cohorts, then what to know about them."""

    kind: str
    sentence: str
    n_people: int
    lines: list[Line]
    columns: list[str] = field(default_factory=list)  # cohorts: the periods after; distributions: the categories
    cells: list[list[float | int | None]] = field(default_factory=list)  # one list a line
    notes: list[str] = field(default_factory=list)
    at: datetime = field(default_factory=timezone.now)


def step_words(step: Step) -> str:
    """A step as a reader knows it."""
    if step.fact is not None:
        return str(FACT_WORDS[step.fact])
    more = [f"{name} = {value}" for name, value in step.where.items()] + ([step.channel] if step.channel else [])
    return event_label(str(step.event)) + (f" ({', '.join(more)})" if more else "")


def told_steps(counts: list[int]) -> list[int | None]:
    """Falling counts with those left out that are fewer than ten people, or that show fewer than ten falling away."""
    shown: list[int | None] = []
    last = 0
    for count in counts:
        is_told = count == last or (not 0 < count < SMALLEST_GROUP and not 0 < last - count < SMALLEST_GROUP)
        shown.append(count if is_told else None)
        last = count if is_told else last
    return shown
