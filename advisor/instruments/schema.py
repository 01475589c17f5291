"""What a questionnaire's file may hold, checked when it is read. Every refusal has a code, so that a page can say it."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from django.utils.translation import get_language
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from advisor.kernels import contradictions as consistency
from advisor.kernels import risk_profile

BLOCK_SIZES = {"capacity": 7, "tolerance": 6, "knowledge": 3}
MOST_STEPS = 5
# What ceilings and gates look at, and what older versions carried besides.
FACTS = frozenset(
    {
        "short_reserve", "consumer_debt", "age_65", "knows", "no_experience", "no_civil_capacity", "no_loss",
        "loss_5", "loss_10", "loss_20", "loss_50",
    }
)  # fmt: skip
# Without an answer that carries each of these a ceiling or a legal gate would hold nobody.
NEEDED_FACTS = frozenset({"short_reserve", "consumer_debt", "age_65", "knows", "no_experience", "no_civil_capacity", "no_loss"})
PLACEHOLDER = re.compile(r"\{(\w+)\}")
IDEOGRAPH = re.compile(r"[\u3400-\u9fff]")
# What version 1 did not have is left out of the dump while it is empty, so that the checksums of old versions stay.
LATER: Mapping[str, Any] = {
    "share": None, "wealth_share": None, "kind": "choice", "step": None, "yes_no": None, "steps": (), "contradictions": (),
}  # fmt: skip


# Parts of the investor's own money; no question is about a sum below nothing or beyond all reason.
Amounts = dict[str, Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]]


def refusal(code: str, message: str, **context: Any) -> PydanticCustomError:
    return PydanticCustomError(code, message, context)  # type: ignore[arg-type]


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_serializer(mode="wrap")
    def _without_what_came_later(self, handler: Any) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if name not in LATER or getattr(self, name) != LATER[name]}


class Text(Row):
    zh: str = Field(min_length=1, pattern=r"\S")
    en: str = Field(min_length=1, pattern=r"\S")

    @property
    def said(self) -> str:
        return self.zh if (get_language() or "zh").startswith("zh") else self.en

    @property
    def placeholders(self) -> set[str]:
        return set(PLACEHOLDER.findall(self.zh))

    @model_validator(mode="after")
    def _same_placeholders(self) -> Self:
        if set(PLACEHOLDER.findall(self.zh)) != set(PLACEHOLDER.findall(self.en)):
            raise refusal("amounts_differ", "the languages name different amounts: {zh} / {en}", zh=self.zh, en=self.en)
        if any(brace in PLACEHOLDER.sub("", text) for text in (self.zh, self.en) for brace in "{}"):
            raise refusal("amount_undefined", "a brace that is part of no amount: {zh} / {en}", zh=self.zh, en=self.en)
        return self

    def for_amount(self, amount_minor: int, yuan: Mapping[str, float]) -> str:
        """The sentence with the amounts in whole yuan of the investor's own money."""
        amounts = {"amount": 1.0} | dict(yuan)
        return self.said.format_map({name: f"{round(amount_minor * part / 100):,}" for name, part in amounts.items()})


class Option(Text):
    """An answer with the facts that the kernel reads. `share` is how many people are expected to give it, `wealth_share`
    between which parts of all that could be invested it puts the money asked about."""

    code: str = Field(pattern=r"^[a-z0-9.-]+$")
    score: float | None = Field(default=None, ge=0, le=1)
    facts: tuple[str, ...] = ()
    stated_loss: float | None = Field(default=None, ge=0, le=1)
    yuan: Amounts = {}
    share: float | None = Field(default=None, gt=0, lt=1)
    wealth_share: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _known_facts(self) -> Self:
        if unknown := sorted(set(self.facts) - FACTS):
            raise refusal("unknown_fact", "{option}: nothing reads the facts {names}", option=self.code, names=", ".join(unknown))
        if self.wealth_share and not 0 <= self.wealth_share[0] < self.wealth_share[1] <= 1:
            raise refusal("wealth_share", "{option}: wealth_share is two fractions of 1, the smaller one first", option=self.code)
        return self

    def text(self, amount_minor: int) -> str:
        return self.for_amount(amount_minor, self.yuan)


class YesNo(Row):
    said_yes: Text
    said_no: Text


class Step(Row):
    """One question of a staircase, answered yes or no; either leads to another step or ends at an option."""

    code: str = Field(pattern=r"^[a-z0-9.-]+$")
    yuan: Amounts = {}
    question: Text | None = None  # instead of the item's own
    yes_no: YesNo | None = None
    after_yes: str
    after_no: str

    @property
    def ways(self) -> dict[str, str]:
        return {"yes": self.after_yes, "no": self.after_no}


class Item(Row):
    """A question. A staircase is asked in steps that end at one of its options; `step` is what each step asks."""

    code: str = Field(pattern=r"^[a-z-]+$")
    block: Literal["capacity", "tolerance", "knowledge"]
    kind: Literal["choice", "staircase"] = "choice"
    topic: Text
    question: Text
    why: Text
    yuan: Amounts = {}
    options: tuple[Option, ...] = Field(min_length=3)
    step: Text | None = None
    yes_no: YesNo | None = None
    steps: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        scores = [option.score for option in self.options if option.score is not None]
        if self.block == "knowledge":
            if scores:
                raise refusal("knowledge_scored", "{item}: knowledge acts through ceilings, not scores", item=self.code)
        elif len(scores) != len(self.options) or {min(scores), max(scores)} != {0.0, 1.0} or not _strictly_ordered(scores):
            raise refusal("not_ordered", "{item}: scores must run strictly from 0 to 1 or from 1 to 0", item=self.code)
        if len({option.code for option in self.options}) != len(self.options):
            raise refusal("option_twice", "{item}: an option code stands twice", item=self.code)
        answers = [one for one in (self.yes_no, *(step.yes_no for step in self.steps)) if one]
        labels = [label for one in answers for label in (one.said_yes, one.said_no)]
        if any(text.placeholders for text in (self.topic, self.why, *labels)):  # said as they stand
            raise refusal("amount_undefined", "{item}: what is no question and no answer names no amount", item=self.code)
        if self.question.placeholders - {"amount", *self.yuan} or any(o.placeholders - {"amount", *o.yuan} for o in self.options):
            raise refusal("amount_undefined", "{item}: an amount is not defined", item=self.code)
        shares = [option.share for option in self.options if option.share is not None]
        if shares and (len(shares) != len(self.options) or abs(sum(shares) - 1) > 1e-6):
            raise refusal("shares", "{item}: the expected shares are not all there, or do not add up to 1", item=self.code)
        _check_steps(self)
        return self

    @property
    def names_amounts(self) -> bool:
        return any(text.placeholders for text in (self.question, *self.options))

    def asked(self, amount_minor: int) -> str:
        return self.question.for_amount(amount_minor, self.yuan)

    def option(self, code: str) -> Option | None:
        return next((option for option in self.options if option.code == code), None)

    def step_at(self, code: str) -> Step | None:
        return next((step for step in self.steps if step.code == code), None)

    def asked_at(self, step: Step, amount_minor: int) -> str:
        """The question of one step of a staircase, in the investor's own money."""
        question = step.question or self.step or self.question
        return question.for_amount(amount_minor, self.yuan | step.yuan)

    def choices_at(self, step: Step) -> list[tuple[str, str]]:
        labels = step.yes_no or self.yes_no
        if labels is None:
            raise LookupError(f"{self.code} is no staircase")
        return [("yes", labels.said_yes.said), ("no", labels.said_no.said)]


def _strictly_ordered(scores: list[float]) -> bool:
    pairs = list(pairwise(scores))
    return all(a < b for a, b in pairs) or all(a > b for a, b in pairs)


def paths_of(item: Item) -> list[tuple[list[Step], str]]:
    """Every way through a staircase: its steps, and the option at its end. A way that is too long is cut and ends at ""."""
    done: list[tuple[list[Step], str]] = []
    open_ways: list[tuple[list[Step], str]] = [([], item.steps[0].code)] if item.steps else []
    while open_ways:
        so_far, code = open_ways.pop()
        step = item.step_at(code)
        if step is None or len(so_far) > MOST_STEPS:
            done.append((so_far, "" if step else code))
        else:
            open_ways += [([*so_far, step], target) for target in step.ways.values()]
    return done


def _check_steps(item: Item) -> None:
    if item.kind == "choice":
        if item.steps or item.step or item.yes_no:
            raise refusal("steps_of_a_choice", "{item}: only a staircase has steps", item=item.code)
        return
    if not item.steps or item.step is None or item.yes_no is None:
        raise refusal("no_steps", "{item}: a staircase needs its steps, what they ask and the two answers", item=item.code)
    codes = [step.code for step in item.steps]
    options = {option.code for option in item.options}
    if len(set(codes)) != len(codes) or options & set(codes):
        raise refusal("step_twice", "{item}: a step code stands twice, or is an option's", item=item.code)
    if unknown := sorted({target for step in item.steps for target in step.ways.values()} - {*codes, *options}):
        raise refusal("step_leads_nowhere", "{item}: a step leads to {names}, which is not there", item=item.code, names=", ".join(unknown))
    for step in item.steps:
        if (step.question or item.step).placeholders - {"amount", *item.yuan, *step.yuan}:
            raise refusal("amount_undefined", "{item}: an amount is not defined", item=item.code)
    ways = paths_of(item)
    if any(len(steps) > MOST_STEPS or not end for steps, end in ways):
        raise refusal("too_many_steps", "{item}: a way through the staircase takes more than {most} steps", item=item.code, most=MOST_STEPS)
    if options != {end for _, end in ways} or set(codes) != {step.code for steps, _ in ways for step in steps}:
        raise refusal("unreachable", "{item}: no way leads to one of its options or steps", item=item.code)


class Contradiction(Text):
    """Two answers that do not go together. `when` lists the cases; in each, every item named has one of the answers.

    A limit on wealth, in minor units, is met only where the money asked about and its share of all wealth say so for certain.
    """

    code: str = Field(pattern=r"^[a-z-]+$")
    kind: Literal["hard", "soft"]
    items: tuple[str, str]
    when: tuple[dict[str, tuple[str, ...]], ...] = Field(min_length=1)
    wealth_above_minor: int | None = None
    wealth_below_minor: int | None = None

    @property
    def is_hard(self) -> bool:
        return self.kind == "hard"


class Instrument(Row):
    name: str = Field(pattern=r"^[a-z][a-z-]*$", max_length=30)
    version: int = Field(ge=1, le=999_999)  # six digits, as its key is read
    items: tuple[Item, ...]
    contradictions: tuple[Contradiction, ...] = ()

    _sem: risk_profile.Sem | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len({item.code for item in self.items}) != len(self.items):
            raise refusal("item_twice", "an item code stands twice")
        sizes = {block: sum(item.block == block for item in self.items) for block in BLOCK_SIZES}
        if sizes != BLOCK_SIZES:
            counts = sizes | {f"needed_{block}": size for block, size in BLOCK_SIZES.items()}
            raise refusal("block_sizes", "there are {capacity}, {tolerance} and {knowledge} items a block", **counts)
        if missing := sorted(NEEDED_FACTS - {fact for item in self.items for option in item.options for fact in option.facts}):
            raise refusal("facts_missing", "no answer carries the facts {names}", names=", ".join(missing))
        if len({rule.code for rule in self.contradictions}) != len(self.contradictions):
            raise refusal("contradiction_twice", "a contradiction's code stands twice")
        for rule in self.contradictions:
            for item, options in [*((code, ()) for code in rule.items), *(pair for case in rule.when for pair in case.items())]:
                known = self.item(item)
                if known is None or item not in rule.items or any(known.option(option) is None for option in options):
                    raise refusal("contradiction_unknown", "{rule}: names an answer to {item} that is not there", rule=rule.code, item=item)
        return self

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"

    @cached_property
    def sha256(self) -> str:
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def codes(self) -> list[str]:
        return [item.code for item in self.items]

    @property
    def sem(self) -> risk_profile.Sem:
        """Standard errors of measurement in points, from the linter's report kept with this version."""
        if self._sem is None:
            raise LookupError(f"No linter's report is kept with {self.key}.")
        return self._sem

    def measured(self, sem: risk_profile.Sem) -> Self:
        """Attach what the linter found."""
        self._sem = sem
        return self

    def item(self, code: str) -> Item | None:
        return next((item for item in self.items if item.code == code), None)

    def rule(self, code: str) -> Contradiction | None:
        return next((rule for rule in self.contradictions if rule.code == code), None)

    @cached_property
    def for_scoring(self) -> tuple[risk_profile.Item, ...]:
        """The same items as the plain data that the kernel scores."""
        return tuple(
            risk_profile.Item(
                code=item.code,
                block=item.block,
                options={
                    o.code: risk_profile.Option(score=o.score, facts=frozenset(o.facts), stated_loss=o.stated_loss) for o in item.options
                },
            )
            for item in self.items
        )

    @property
    def shares(self) -> dict[str, dict[str, float]]:
        """How many people are expected to give each answer; items without such figures are left out."""
        return {item.code: {o.code: o.share for o in item.options if o.share} for item in self.items if item.options[0].share}

    def wealth_minor(self, answers: Mapping[str, str], amount_minor: int | None) -> consistency.Wealth:
        """Between what and what all that could be invested lies, from the money asked about and the share it makes up."""
        if not amount_minor:
            return None, None
        chosen = [option for item in self.items if (option := item.option(answers.get(item.code, "")))]
        low, high = next((option.wealth_share for option in chosen if option.wealth_share), (0.0, 0.0))
        return amount_minor / high if high else None, amount_minor / low if low else None

    def contradictions_in(self, answers: Mapping[str, str], amount_minor: int | None = None) -> tuple[consistency.Contradiction, ...]:
        """What in these answers does not go together, the hard ones first."""
        return consistency.find(answers, self.contradictions, wealth_minor=self.wealth_minor(answers, amount_minor))

    @property
    def n_characters(self) -> int:
        """Chinese characters that one investor reads at most: questions, reasons and answers, the longest way of a staircase."""
        return sum(_n_characters(item) for item in self.items)


def _n_characters(item: Item) -> int:
    read: list[Text] = [item.topic, item.why]
    if item.kind == "choice":
        return _ideographs([*read, item.question, *item.options])
    longest = max(_ideographs(_texts_on(item, steps)) for steps, _ in paths_of(item))
    return _ideographs([*read, item.question]) + longest + max(_ideographs([option]) for option in item.options)


def _texts_on(item: Item, steps: Sequence[Step]) -> list[Text]:
    texts: list[Text] = []
    for step in steps:
        labels = step.yes_no or item.yes_no
        texts += [step.question or item.step or item.question, *([labels.said_yes, labels.said_no] if labels else [])]
    return texts


def _ideographs(texts: Sequence[Text]) -> int:
    return sum(len(IDEOGRAPH.findall(text.zh)) for text in texts)
