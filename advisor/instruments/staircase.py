"""Walking a staircase: each answer decides what is asked next, until one of the item's options is reached."""

from collections.abc import Sequence

from advisor.instruments.schema import Item, Option, Step
from advisor.kernels.risk_profile import AnswerError


def next_step(item: Item, answers: Sequence[str]) -> Step | Option:
    """Return the step to ask after these answers ("yes" or "no", in order), or the option they end at.

    Raises AnswerError("unknown_option") for another word, for answers beyond the end, and for an item without steps.
    """
    place = _place(item, item.steps[0].code if item.steps else "")
    for answer in answers:
        if not isinstance(place, Step) or answer not in place.ways:
            raise AnswerError("unknown_option", items=[item.code])
        place = _place(item, place.ways[answer])
    return place


def walked(item: Item, answers: Sequence[str]) -> list[tuple[Step, str]]:
    """The steps that were asked, each with its answer. Raises as `next_step`."""
    next_step(item, answers)
    steps = [next_step(item, answers[:n]) for n in range(len(answers))]
    return [(step, answer) for step, answer in zip(steps, answers, strict=True) if isinstance(step, Step)]


def _place(item: Item, code: str) -> Step | Option:
    place = item.step_at(code) or item.option(code)
    if place is None:
        raise AnswerError("unknown_option", items=[item.code])
    return place
