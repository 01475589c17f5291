"""What is wrong with a questionnaire, and what the linter measured, in the reader's language."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from advisor.instruments import Instrument
from advisor.jurisdictions import advice_rules
from advisor.models import Level
from portfolios.templatetags.money import percent

# Problems of a file, by the schema's codes; what is not here is told in the reader's own words.
PROBLEMS: Mapping[str, Any] = {
    "not_yaml": gettext_lazy("The file is no YAML that can be read, at line %(where)s: %(message)s."),
    "unreadable": gettext_lazy("The file cannot be read: %(message)s."),
    "missing": gettext_lazy("%(where)s is missing."),
    "extra_forbidden": gettext_lazy("%(where)s is nothing that a questionnaire has."),
    "string_too_short": gettext_lazy("%(where)s is empty. Every text needs both languages."),
    "model_type": gettext_lazy("%(where)s is not made up as it should be."),
    "amounts_differ": gettext_lazy("%(where)s: the two languages name different amounts: %(zh)s / %(en)s"),
    "amount_undefined": gettext_lazy("%(where)s: an amount in braces is not defined under yuan."),
    "knowledge_scored": gettext_lazy("%(where)s: a knowledge question has no scores; it acts through ceilings."),
    "not_ordered": gettext_lazy("%(where)s: the scores must run strictly from 0 to 1, or from 1 to 0."),
    "option_twice": gettext_lazy("%(where)s: an answer's code stands twice."),
    "shares": gettext_lazy("%(where)s: the expected shares are not all there, or do not add up to 1."),
    "unknown_fact": gettext_lazy("%(where)s: nothing reads the facts %(names)s."),
    "wealth_share": gettext_lazy("%(where)s: wealth_share is two fractions of 1, the smaller one first."),
    "steps_of_a_choice": gettext_lazy("%(where)s: only a staircase has steps."),
    "no_steps": gettext_lazy("%(where)s: a staircase needs its steps, what they ask, and the two answers."),
    "step_twice": gettext_lazy("%(where)s: a step's code stands twice, or is an answer's."),
    "step_leads_nowhere": gettext_lazy("%(where)s: a step leads to %(names)s, which is not there."),
    "too_many_steps": gettext_lazy("%(where)s: a way through the staircase takes more than %(most)s steps, or has no end."),
    "unreachable": gettext_lazy("%(where)s: no way through the staircase leads to one of its answers or steps."),
    "item_twice": gettext_lazy("A question's code stands twice."),
    "block_sizes": gettext_lazy(
        "There are %(capacity)s questions of capacity, %(tolerance)s of tolerance and %(knowledge)s of knowledge; "
        "there must be %(needed_capacity)s, %(needed_tolerance)s and %(needed_knowledge)s."
    ),
    "facts_missing": gettext_lazy("No answer carries the facts %(names)s, which ceilings and legal gates look at."),
    "contradiction_twice": gettext_lazy("A contradiction's code stands twice."),
    "contradiction_unknown": gettext_lazy("The contradiction %(rule)s names an answer to %(item)s that is not there."),
}
OTHER_PROBLEM = gettext_lazy("%(where)s cannot be read: %(message)s.")

FINDINGS: Mapping[str, Any] = {
    "uniform_level": gettext_lazy("Answers drawn without any sense give %(item)s in %(figure)s of cases; %(limit)s is the most."),
    "raw_level_common": gettext_lazy("%(figure)s of the invented people come out at %(item)s; %(limit)s is the most."),
    "raw_level_rare": gettext_lazy("Only %(figure)s of the invented people come out at %(item)s before ceilings; %(limit)s is the least."),
    "final_level_rare": gettext_lazy("Only %(figure)s of the invented people come out at %(item)s in the end; %(limit)s is the least."),
    "alpha_low": gettext_lazy(
        "The answers of the block %(item)s hang together too little: Cronbach's alpha is %(figure)s, below %(limit)s."
    ),
    "alpha_high": gettext_lazy(
        "The answers of the block %(item)s hang together too much: Cronbach's alpha is %(figure)s, above %(limit)s."
    ),
    "heavy_item": gettext_lazy("The question %(item)s alone moves the score by %(figure)s points; %(limit)s is the most."),
    "one_way": gettext_lazy("The answer with the highest score stands %(item)s in %(figure)s of the questions; %(limit)s is the most."),
    "straight_line": gettext_lazy("Always taking answer number %(item)s on the screen gives C%(figure)s; C%(limit)s is the most."),
    "long_reading": gettext_lazy("There are %(figure)s Chinese characters to read; %(limit)s is the most."),
}
SHARES = {"uniform_level", "raw_level_common", "raw_level_rare", "final_level_rare", "one_way"}
BLOCKS = {"capacity": gettext_lazy("capacity"), "tolerance": gettext_lazy("tolerance"), "knowledge": gettext_lazy("knowledge")}
ENDS = {"first": gettext_lazy("first"), "last": gettext_lazy("last")}
BANK_LEVELS = (gettext_lazy("conservative"), gettext_lazy("income"), gettext_lazy("balanced"), gettext_lazy("aggressive"))
FACTS: Mapping[str, Any] = {
    "short_reserve": gettext_lazy("reserve below three months"),
    "consumer_debt": gettext_lazy("consumer debt"),
    "age_65": gettext_lazy("65 or older"),
    "knows": gettext_lazy("right answer"),
    "no_experience": gettext_lazy("less than six months of experience"),
    "no_civil_capacity": gettext_lazy("no civil capacity"),
    "no_loss": gettext_lazy("no loss at all"),
}
EXAMPLE_MINOR = 10_000_000  # pages show questions about 100,000
GATES = {"no_civil_capacity": "age", "no_loss": "loss"}


@dataclass(frozen=True)
class LevelShares:
    """A level's share of answers without sense, of invented people before and after what lowers it; None where it has none."""

    level: str
    uniform: float | None
    raw: float | None
    final: float


@dataclass(frozen=True)
class BankShare:
    """A level of the bank's, ours that stand for it, and the shares of people."""

    name: str
    levels: str
    bank: float
    raw: float
    final: float


@dataclass(frozen=True)
class ReportView:
    """The linter's report as a page or a terminal shows it; `findings` are sentences, none where it may be published."""

    figures: Mapping[str, Any]
    findings: list[str]
    levels: list[LevelShares]
    bank: list[BankShare]
    differences: list[str]
    weights: list[tuple[str, float]]
    decides: list[tuple[str, float]]


def problem_sentence(code: str, where: str, params: Mapping[str, Any]) -> str:
    """Say what is wrong with a questionnaire's file."""
    place = where or _("the file")
    return str(PROBLEMS.get(code, OTHER_PROBLEM)) % {"message": code, **params, "where": place}


def finding_sentence(finding: Mapping[str, Any]) -> str:
    """Say why the linter refuses a questionnaire."""
    code, item = finding["code"], finding["item"]
    said = {"item": str(BLOCKS.get(item) or ENDS.get(item) or item)}
    for name in ("figure", "limit"):
        said[name] = percent(finding[name], 2) if code in SHARES else f"{finding[name]:g}"
    return str(FINDINGS[code]) % said


def report_view(report: Mapping[str, Any], instrument: Instrument | None = None) -> ReportView:
    """Put the report into words and tables; with the questionnaire, by the topics of its questions."""
    topics = {item.code: item.topic.said for item in instrument.items} if instrument else {}
    rules = advice_rules()
    limits = {name: rule.said for name, rule in ((name, rules.ceiling(name) or rules.gate(name)) for name in report["decides"]) if rule}
    levels = [LevelShares("C1-min", None, None, report["final"][0])]
    for place, (uniform, raw) in enumerate(zip(report["uniform"], report["raw"], strict=True), 1):
        levels.append(LevelShares(Level(place).label, uniform, raw, report["final"][place]))
    return ReportView(
        figures=report,
        findings=[finding_sentence(finding) for finding in report["findings"]],
        levels=levels,
        bank=_bank_rows(report),
        differences=_why_not_the_banks(report),
        weights=sorted(((topics.get(code, code), points) for code, points in report["weights"].items()), key=lambda row: -row[1]),
        decides=sorted(((limits.get(name, name), share) for name, share in report["decides"].items()), key=lambda row: -row[1]),
    )


def _bank_rows(report: Mapping[str, Any]) -> list[BankShare]:
    ours = ("C1-min, C1", "C2", "C3", "C4, C5")
    shares = zip(report["bank"], report["raw_as_bank"], report["final_as_bank"], strict=True)
    return [BankShare(str(name), levels, *row) for name, levels, row in zip(BANK_LEVELS, ours, shares, strict=True)]


def _why_not_the_banks(report: Mapping[str, Any]) -> list[str]:
    """Where our mix differs from the bank's and why, as far as the figures say it."""
    raw, final, bank = report["raw_as_bank"], report["final_as_bank"], report["bank"]
    heaviest = max(report["decides"], key=lambda name: report["decides"][name])
    rule = advice_rules().ceiling(heaviest) or advice_rules().gate(heaviest)
    return [
        _("The highest two levels hold %(raw)s before, %(final)s after what lowers a level (the bank: %(bank)s).")
        % {"raw": percent(raw[3]), "final": percent(final[3]), "bank": percent(bank[3])},
        _("Answers that say too little for certain cost %(share)s of people a level.") % {"share": percent(report["lowered"])},
        _("The limit that alone decides most often: %(name)s (%(share)s).")
        % {"name": rule.said if rule else heaviest, "share": percent(report["decides"][heaviest])},
        _("C1-min is for the two legal grounds only (%(share)s of people); the bank's lowest level is a level like the others.")
        % {"share": percent(report["final"][0])},
        _(
            "The bank's figures are real customers of one Greek bank, ours are invented people with shares expected by the "
            "questionnaire's makers: a difference of some points is no fault, and agreement no proof."
        ),
    ]


def level_line(shares: Sequence[float], first: str) -> str:
    """A distribution on one line, for a terminal: C1 4.6 %, C2 27.8 % ..."""
    names = [level.label for level in Level]
    start = names.index(first)
    return ", ".join(f"{name} {percent(share, 2)}" for name, share in zip(names[start:], shares, strict=True))
