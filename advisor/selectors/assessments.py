"""What the questionnaire's pages show: one question, the answers so far, and what the level means in own money."""

from dataclasses import dataclass
from typing import Any

from advisor.instruments import Instrument, Item, load_instrument
from advisor.jurisdictions import LevelWords, advice_rules
from advisor.models import Assessment, Goal, Investor, Level, Proposal
from advisor.selectors.people import goals_of, investor_of
from portfolios.jurisdictions import jurisdiction

N_REASONS = 3
UNKNOWN_AMOUNT_MINOR = 10_000_000  # for sheets that name no money: the example is 100,000


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
        """Terms agreed, a goal to ask about, and no valid level: a new attempt while one is valid comes with its limits."""
        return self.has_terms and self.goal is not None and not self.has_level


@dataclass(frozen=True)
class QuestionPage:
    item: Item
    number: int
    total: int
    question: str
    why: str
    choices: list[tuple[str, str]]
    chosen: str | None
    amount_minor: int  # the money that the question is about
    previous: str | None
    is_changing: bool  # every question is answered: the next page is the check


@dataclass(frozen=True)
class AnswerRow:
    code: str
    question: str
    answer: str | None


@dataclass(frozen=True)
class LadderStep:
    code: str
    words: LevelWords
    is_current: bool


@dataclass(frozen=True)
class Reason:
    """Why this level: `kind` is gate, ceiling, capacity, tolerance, even, or answer; `text` and `answer` fill its sentence."""

    kind: str
    text: str = ""
    answer: str = ""


@dataclass(frozen=True)
class ResultPage:
    assessment: Assessment
    level: Level
    words: LevelWords
    ladder: list[LadderStep]
    amount_minor: int
    bad_year_minor: int
    reasons: list[Reason]
    lifts: list[str]
    goal: Goal | None
    goal_level: Level | None  # lower than the person's because the goal is near; else None
    proposal: Proposal | None


def standing_of(user: Any) -> Standing:
    """Return what the person has done so far; nothing is written."""
    investor = investor_of(user)
    if investor is None:
        return Standing(None, False, None, None)
    terms = investor.consents.filter(purpose="terms").order_by("-at", "-id").first()
    draft = Assessment.objects.filter(investor=investor, state=Assessment.State.DRAFT).first()
    return Standing(investor, bool(terms and terms.is_given), goals_of(investor).first(), draft)


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


def question_page(draft: Assessment, code: str) -> QuestionPage | None:
    """One question with the answer kept so far, in the investor's own money; None for an unknown item."""
    instrument = load_instrument(draft.instrument)
    item = instrument.item(code)
    if item is None:
        return None
    amount = draft.amount_minor or UNKNOWN_AMOUNT_MINOR
    index = instrument.codes.index(code)
    return QuestionPage(
        item=item,
        number=index + 1,
        total=len(instrument.items),
        question=item.asked(amount),
        why=item.why.said,
        choices=[(option.code, option.text(amount)) for option in item.options],
        chosen=draft.answers.get(code),
        amount_minor=amount,
        previous=instrument.codes[index - 1] if index else None,
        is_changing=all(other in draft.answers for other in instrument.codes),
    )


def answer_rows(assessment: Assessment) -> list[AnswerRow]:
    """Every question with its answer in words, None where it is still missing."""
    amount = assessment.amount_minor or UNKNOWN_AMOUNT_MINOR
    rows = []
    for item in load_instrument(assessment.instrument).items:
        option = item.option(assessment.answers.get(item.code, ""))
        rows.append(AnswerRow(item.code, item.asked(amount), option.text(amount) if option else None))
    return rows


def bad_year_minor(level: int, stated_loss: float | None, amount_minor: int) -> int:
    """A bad year in minor units: the level's budget, or the stated loss where that is smaller, of the amount."""
    budget = jurisdiction().levels[level].cvar_budget
    if stated_loss:  # 0 belongs to the lowest class, whose budget is the smallest there is
        budget = min(budget, stated_loss)
    return round(budget * amount_minor)


def result_page(user: Any) -> ResultPage | None:
    """The latest completed assessment of the signed-in person as the result page shows it."""
    investor = investor_of(user)
    done = Assessment.objects.visible_to(user).filter(investor=investor, state=Assessment.State.COMPLETED)
    assessment = done.order_by("-completed_at", "-pk").first() if investor else None
    if assessment is None or assessment.level is None:
        return None
    goal = goals_of(assessment.investor).first()
    level = Level(assessment.level)
    amount = goal.amount_minor if goal else assessment.amount_minor or UNKNOWN_AMOUNT_MINOR
    words = advice_rules().levels
    lower = _lower_level_of(goal, level) if goal else None
    shown = [Level.C1_MIN] if level == Level.C1_MIN else []
    return ResultPage(
        assessment=assessment,
        level=level,
        words=words[level],
        ladder=[LadderStep(step.label, words[step], step == level) for step in [*shown, *list(Level)[1:]]],
        amount_minor=amount,
        bad_year_minor=bad_year_minor(lower or level, assessment.stated_loss, amount),
        reasons=reasons_of(assessment),
        lifts=lifts_of(assessment),
        goal=goal,
        goal_level=lower,
        proposal=goal.proposals.order_by("-pk").first() if goal else None,
    )


def reasons_of(assessment: Assessment) -> list[Reason]:
    """The three strongest reasons for the level, the decisive one first."""
    working, rules = assessment.working, advice_rules()
    found = []
    if gate := rules.gate(working.get("gate") or ""):
        found.append(Reason("gate", gate.said))
    caps = [rules.ceiling(cap["name"]) for cap in working["caps"] if cap["binds"]]
    found += [Reason("ceiling", ceiling.said) for ceiling in caps if ceiling]
    blend = working["blend"]
    gap = blend["capacity"] - blend["tolerance_after_behaviour"]
    side = "even" if abs(gap) < 5 else "tolerance" if gap > 0 else "capacity"
    found.append(Reason(side))
    block = "capacity" if side == "capacity" else "tolerance"
    return [*found, *_telling_answers(assessment, block)][:N_REASONS]


def lifts_of(assessment: Assessment) -> list[str]:
    """What would lift each limit that now decides the level."""
    ceilings = [advice_rules().ceiling(cap["name"]) for cap in assessment.working["caps"] if cap["binds"]]
    return list(dict.fromkeys(ceiling.lift for ceiling in ceilings if ceiling))


def _telling_answers(assessment: Assessment, block: str) -> list[Reason]:
    """The answers of the block that lie furthest from its own mean, with what was answered."""
    instrument: Instrument = load_instrument(assessment.instrument)
    amount = assessment.amount_minor or UNKNOWN_AMOUNT_MINOR
    answered = [
        (item, option) for item in instrument.items if item.block == block and (option := item.option(assessment.answers[item.code]))
    ]
    mean = sum(option.score or 0 for _, option in answered) / len(answered)
    telling = sorted(answered, key=lambda pair: -abs((pair[1].score or 0) - mean))
    return [Reason("answer", item.topic.said, option.text(amount)) for item, option in telling]


def _lower_level_of(goal: Goal, level: Level) -> Level | None:
    years = goal.horizon_years()
    limits = [ceiling.level for ceiling in jurisdiction().horizon_ceilings if years < ceiling.below_years]
    return Level(min(limits)) if limits and min(limits) < level else None
