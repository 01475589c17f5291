"""A sheet of answers in words: what was answered, why it gives its level, and what a bad year means in own money."""

from dataclasses import dataclass

from advisor.instruments import Instrument, load_instrument
from advisor.jurisdictions import advice_rules
from advisor.models import Assessment
from portfolios.jurisdictions import jurisdiction

N_REASONS = 3
TELLING_DAMAGE = 1.0  # points of 100: less is not worth a sentence
UNKNOWN_AMOUNT_MINOR = 10_000_000  # for sheets that name no money: the example is 100,000


@dataclass(frozen=True)
class AnswerRow:
    code: str
    question: str
    answer: str | None


@dataclass(frozen=True)
class Reason:
    """Why this level; `text` and `answer` fill its sentence.

    `kind` is gate, ceiling, panic_sale, low_confidence, behaviour, capacity, tolerance, even, or answer.
    """

    kind: str
    text: str = ""
    answer: str = ""


def money_of(assessment: Assessment) -> int:
    """The money that the losses in the questions are about."""
    return assessment.amount_minor or UNKNOWN_AMOUNT_MINOR


def answer_rows(assessment: Assessment) -> list[AnswerRow]:
    """Every question with its answer in words, None where it is still missing."""
    amount = money_of(assessment)
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


def reasons_of(assessment: Assessment) -> list[Reason]:
    """The three strongest reasons for the level, the decisive one first."""
    working, rules = assessment.working, advice_rules()
    found = []
    if gate := rules.gate(working.get("gate") or ""):
        found.append(Reason("gate", gate.said))
    caps = [rules.ceiling(cap["name"]) for cap in working["caps"] if cap["binds"]]
    found += [Reason("ceiling", ceiling.said) for ceiling in caps if ceiling]
    found += [Reason(kind) for kind in sorted(working.get("lowered_by", ()), reverse=True)]
    blend = working["blend"]
    found += [Reason("behaviour")] if blend["damage"] >= TELLING_DAMAGE else []
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
    amount = money_of(assessment)
    answered = [
        (item, option) for item in instrument.items if item.block == block and (option := item.option(assessment.answers[item.code]))
    ]
    mean = sum(option.score or 0 for _, option in answered) / len(answered)
    telling = sorted(answered, key=lambda pair: -abs((pair[1].score or 0) - mean))
    return [Reason("answer", item.topic.said, option.text(amount)) for item, option in telling]
