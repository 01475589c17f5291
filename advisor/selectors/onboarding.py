"""The way from sign-up to a level: how far somebody is, one question as they see it, and what still does not go together."""

import hashlib
from dataclasses import dataclass
from typing import Any

from advisor.instruments import Contradiction, Instrument, Item, Option, Step, load_instrument
from advisor.instruments.staircase import next_step
from advisor.kernels.risk_profile import AnswerError
from advisor.models import Assessment, Goal, Investor
from advisor.selectors.assessments import AnswerRow, answer_rows, money_of
from advisor.selectors.people import goals_of, investor_of

WAYS = {"y": "yes", "n": "no"}  # a way through a staircase in an address: one letter an answer


@dataclass(frozen=True)
class Standing:
    """How far somebody has come on the way to a first proposal."""

    investor: Investor | None
    has_terms: bool
    goal: Goal | None
    draft: Assessment | None

    @property
    def has_level(self) -> bool:
        return self.investor is not None and self.investor.has_valid_level()

    @property
    def may_answer(self) -> bool:
        """Terms agreed, a goal to ask about, and either no valid level or a new attempt begun on purpose while one is valid."""
        return self.has_terms and self.goal is not None and (self.draft is not None or not self.has_level)


@dataclass(frozen=True)
class QuestionPage:
    """One screen: a question, or one step of it. `back` is the address, without the page's own, that leads one screen back."""

    item: Item
    number: int
    total: int
    question: str
    why: str
    choices: list[tuple[str, str]]
    chosen: str | None
    amount_minor: int  # the money that the question is about
    sheet: int  # the questionnaire that the answer is for
    previous: str | None  # the question before this one
    way: str  # the answers to the steps so far
    step_before: str  # the way one step back
    settled: str  # the answer that the steps led to earlier, in words
    is_changing: bool  # every question is answered: the next page is the check

    @property
    def is_staircase(self) -> bool:
        return self.item.kind == "staircase"

    @property
    def step(self) -> int:
        return len(self.way) + 1


@dataclass(frozen=True)
class Clash:
    """Two answers that do not go together, with the sentence that says so."""

    code: str
    is_hard: bool
    sentence: str
    rows: list[AnswerRow]


def standing_of(user: Any) -> Standing:
    """Return what the person has done so far; nothing is written."""
    investor = investor_of(user)
    if investor is None:
        return Standing(None, False, None, None)
    terms = investor.consents.filter(purpose="terms").order_by("-at", "-id").first()
    draft = Assessment.objects.filter(investor=investor, state=Assessment.State.DRAFT).first()
    return Standing(investor, bool(terms and terms.is_given), goals_of(investor).first(), draft)


def is_completed(draft: Assessment | None) -> bool:
    """Whether a questionnaire that was open a moment ago has been completed since."""
    return draft is not None and Assessment.objects.filter(pk=draft.pk, state=Assessment.State.COMPLETED).exists()


def changeable_goal(investor: Investor) -> Goal | None:
    """The goal that the first answers are about, while nothing rests on it yet."""
    return goals_of(investor).filter(portfolio__isnull=True, proposals__isnull=True).first()


def next_question(draft: Assessment, after: str | None = None) -> str | None:
    """The item to ask next: the one after `after`, or the first without an answer; None when all are answered."""
    codes = load_instrument(draft.instrument).codes
    missing = [code for code in codes if code not in draft.answers]
    if not missing:
        return None
    if after in codes and after != codes[-1]:
        return codes[codes.index(after) + 1]
    return missing[0]


def question_page(draft: Assessment, code: str, way: str = "", was: str = "") -> QuestionPage | None:
    """One question with the answer kept so far, in the investor's own money; None for what is no question.

    `way` holds the answers to the steps of a staircase so far, a letter each, and `was` the one to the step shown, where
    somebody went back to it.
    """
    instrument = load_instrument(draft.instrument)
    item = instrument.item(code)
    if item is None or (way and item.kind != "staircase"):
        return None
    amount = money_of(draft)
    place = _step_of(item, way) if item.kind == "staircase" else None
    if item.kind == "staircase" and place is None:
        return None
    index = instrument.codes.index(code)
    earlier = item.option(draft.answers.get(code, ""))
    return QuestionPage(
        item=item,
        number=index + 1,
        total=len(instrument.items),
        question=item.asked_at(place, amount) if place else item.asked(amount),
        why=item.why.said,
        choices=shown_choices(draft, item, place),
        chosen=WAYS.get(was) if place else draft.answers.get(code),
        amount_minor=amount,
        sheet=draft.pk,
        previous=instrument.codes[index - 1] if index else None,
        way=way,
        step_before=f"way={way[:-1]}&was={way[-1]}" if way else "",
        settled=earlier.text(amount) if place and earlier else "",
        is_changing=all(other in draft.answers for other in instrument.codes),
    )


def _step_of(item: Item, way: str) -> Step | None:
    place = place_on(item, way)
    return place if isinstance(place, Step) else None


def place_on(item: Item, way: str) -> Step | Option | None:
    """The step that is asked after this way through a staircase, or the option at its end; None for a way that is not there."""
    try:
        return next_step(item, [WAYS.get(letter, "") for letter in way])
    except AnswerError:
        return None


def shown_choices(draft: Assessment, item: Item, step: Step | None = None) -> list[tuple[str, str]]:
    """The answers in the order in which this questionnaire shows them, the same each time the page is opened.

    Answers that have an order of their own run forwards or backwards. Those of a question with a right answer have none:
    they are mixed, and "not sure" stays the last.
    """
    amount = money_of(draft)
    choices = item.choices_at(step) if step else [(option.code, option.text(amount)) for option in item.options]
    if any("knows" in option.facts for option in item.options):
        return sorted(choices, key=lambda choice: (choice[0] == "unsure", _lot(draft, item.code, choice[0])))
    return choices[::-1] if _lot(draft, item.code)[0] % 2 else choices


def _lot(draft: Assessment, *names: str) -> bytes:
    return hashlib.sha256(":".join([str(draft.pk), *names]).encode()).digest()


def clashes_of(draft: Assessment) -> list[Clash]:
    """What in the answers does not go together, the hard ones first, with both questions and answers in words."""
    instrument: Instrument = load_instrument(draft.instrument)
    rows = {row.code: row for row in answer_rows(draft)}
    clashes = []
    for found in instrument.contradictions_in(draft.answers, draft.amount_minor):
        rule: Contradiction | None = instrument.rule(found.code)
        if rule is not None:
            clashes.append(Clash(found.code, found.is_hard, rule.said, [rows[code] for code in found.items]))
    return clashes
