"""Questions about what people did and are: typed, validated, and stored as JSON. How they are answered is in ask_answers.

A step is something that happened to a person at a time: an event by its name, or a fact of the business by its code.
"""

import json
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

MAX_STEPS, MAX_DAYS, MAX_PERIODS, MAX_DEPTH, MAX_TOP = 6, 731, 26, 3, 20
Fact = Literal["joined", "assessed", "goal", "accepted", "order", "decision", "purchase", "redemption", "plan", "sent", "opened", "clicked"]
FACTS: tuple[str, ...] = get_args(Fact)
# Facts of one group are rows of one table: one row is never two steps of a person's way.
GROUPS = {"order": "orders", "decision": "orders", "purchase": "orders", "redemption": "orders", "plan": "orders"}
KINDS = ("funnel", "retention", "path", "distribution")
MAX_TEXT = 4_000
Days = Annotated[int, Field(ge=1, le=MAX_DAYS)]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00]+$")]


class QuestionError(ValueError):
    """The question cannot be read: `code` says why, `where` names the place in it."""

    def __init__(self, code: str, where: str = "") -> None:
        super().__init__(f"{code} {where}".strip())
        self.code, self.where = code, where


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Step(Part):
    """An event by name, perhaps only where properties have these values or through one channel; or a fact by code."""

    event: Name | None = None
    fact: Fact | None = None
    where: Annotated[dict[Name, Name], Field(max_length=3)] = {}
    channel: Annotated[str, Field(max_length=20, pattern=r"^[^\x00]*$")] = ""

    @model_validator(mode="after")
    def is_one_thing(self) -> Self:
        if (self.event is None) == (self.fact is None):
            raise ValueError("needs event or fact, not both")
        if self.fact is not None and (self.where or self.channel):
            raise ValueError("where and channel belong to events")
        return self

    @property
    def group(self) -> str:
        """The table it is read from; two steps of one group must not be the same row."""
        return "events" if self.fact is None else GROUPS.get(self.fact, self.fact)


class Asked(Part):
    version: Literal[1] = 1
    segment: Annotated[int, Field(ge=1, le=2**31)] | None = None


class Funnel(Asked):
    """How many of those who took the first step in the last `days` took the others in this order within `within_days` of it."""

    kind: Literal["funnel"] = "funnel"
    steps: Annotated[list[Step], Field(min_length=2, max_length=MAX_STEPS)]
    within_days: Annotated[int, Field(ge=1, le=366)]
    days: Days


class Retention(Asked):
    """Of those whose first `start` fell in a week or month: how many did `again` in each later one."""

    kind: Literal["retention"] = "retention"
    start: Step
    again: Step
    unit: Literal["week", "month"]
    n_periods: Annotated[int, Field(ge=1, le=MAX_PERIODS)]


class Path(Asked):
    """The commonest ways of `depth` events after (or before) a person's first `around` in the last `days`."""

    kind: Literal["path"] = "path"
    around: Step
    direction: Literal["after", "before"] = "after"
    depth: Annotated[int, Field(ge=1, le=MAX_DEPTH)] = 3
    top: Annotated[int, Field(ge=1, le=MAX_TOP)] = 10
    within_hours: Annotated[int, Field(ge=1, le=30 * 24)] = 24
    days: Annotated[int, Field(ge=1, le=92)] = 30


class Distribution(Asked):
    """How a number of the profile is spread over people, perhaps by a category."""

    kind: Literal["distribution"] = "distribution"
    field: Name
    by: Name | None = None


Question = Funnel | Retention | Path | Distribution
_ADAPTER: TypeAdapter[Any] = TypeAdapter(Annotated[Question, Field(discriminator="kind")])


def read_question(data: Any) -> Question:
    """Validate parsed JSON, or JSON text, into a question.

    Raises QuestionError: not_json, too_long, or not_valid with the place; nothing of it may then be stored or asked.
    """
    if isinstance(data, str):
        if len(data) > MAX_TEXT:
            raise QuestionError("too_long")
        try:
            data = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise QuestionError("not_json") from error
    try:
        question: Question = _ADAPTER.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise QuestionError("not_valid", ".".join(str(part) for part in first["loc"] if part not in KINDS)) from error
    return question


def as_json(question: Question) -> dict[str, Any]:
    """Return plain data that reads back to an equal question."""
    return question.model_dump(exclude_none=True, exclude_defaults=False)


def steps_of(question: Question) -> list[Step]:
    """Every step that the question names."""
    if isinstance(question, Funnel):
        return list(question.steps)
    if isinstance(question, Retention):
        return [question.start, question.again]
    return [question.around] if isinstance(question, Path) else []


def reads_events(question: Question) -> bool:
    """True when the answer rests on what people did on pages: only those who agreed to profiling may then be counted."""
    return isinstance(question, Path) or any(step.event is not None for step in steps_of(question))
