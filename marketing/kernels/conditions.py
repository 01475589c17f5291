"""The kinds of condition that a rule may hold, as strict types. Which fields there are comes in as data: see kernels.segments.

Money is in minor units, shares are fractions of 1, lengths of time whole days of the deployment's calendar.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Protocol, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from marketing.kernels.look_alikes import MOST_NEAREST, MOST_SHARE, SHARE_PARTS

MAX_DAYS = 3_650
MAX_NUMBER = 10**15
N_BUCKETS = 10_000
FUND_TRAITS = ("fund", "asset_class", "category", "company", "grade_at_least")
ORIGINS = ("investor", "proposal", "override", "plan")
DECISIONS = ORIGINS[:3]  # what a person decided: everything but the instalments of a plan


class FieldInfo(Protocol):
    """What a rule must know of a field: marketing.catalogue.ProfileField is one."""

    @property
    def kind(self) -> str: ...
    @property
    def sensitivity(self) -> str: ...
    @property
    def values(self) -> list[str] | str | None: ...


Fields = Mapping[str, FieldInfo]


def _storable(text: str) -> str:
    """Refuse what no database keeps: a zero byte, or half a surrogate pair."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("text that cannot be kept")
    return text


Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]
Code = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_storable)]
Property = Annotated[str, Field(pattern=r"^[^\W\d][\w .\-]{0,79}$"), AfterValidator(_storable)]
Key = Annotated[int, Field(ge=1, le=2**62)]
Times = Annotated[int, Field(ge=1, le=100_000)]
Days = Annotated[int, Field(ge=1, le=MAX_DAYS)]
Ago = Annotated[int, Field(ge=0, le=36_500)]
Number = Annotated[int, Field(ge=-MAX_NUMBER, le=MAX_NUMBER)] | Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER, allow_inf_nan=False)]


class Part(BaseModel):
    """A piece of a rule. `kind` names what it reads, and is what `kinds` of read_rule allows or refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)
    kind: ClassVar[str] = ""


class Range(Part):
    """At least this much and below that; one of the two must be given."""

    at_least: Number | None = None
    below: Number | None = None

    @model_validator(mode="after")
    def has_a_bound(self) -> Self:
        if self.at_least is None and self.below is None:
            raise ValueError("needs at_least or below")
        if self.at_least is not None and self.below is not None and self.below <= self.at_least:
            raise ValueError("below must be more than at_least")
        return self


class FieldRange(Range):
    """A field that is a number. An unknown value is in no range."""

    kind: ClassVar[str] = "field"
    field: Code


class FieldIs(Part):
    """A category or level that is one of these; null and "" mean that it is unknown."""

    kind: ClassVar[str] = "field"
    field: Code
    values: list[Annotated[int, Field(ge=0, le=100)] | Annotated[str, Field(max_length=200), AfterValidator(_storable)] | None] = Field(
        alias="is", min_length=1, max_length=100
    )


class FieldFlag(Part):
    kind: ClassVar[str] = "field"
    field: Code
    value: bool = Field(alias="is")


class FieldDays(Part):
    """A date counted in days from today. An unknown one counts as longest ago; what expires lies from today on."""

    kind: ClassVar[str] = "field"
    field: Code
    days_ago_at_least: Ago | None = None
    days_ago_below: Ago | None = None
    in_days_below: Ago | None = None

    @model_validator(mode="after")
    def has_a_bound(self) -> Self:
        low, high = self.days_ago_at_least, self.days_ago_below
        if (low is None and high is None) == (self.in_days_below is None):
            raise ValueError("needs days ago or days ahead")
        if low is not None and high is not None and high <= low:
            raise ValueError("days_ago_below must be more than days_ago_at_least")
        return self


class ConsentIs(Part):
    """The latest answer to a purpose, from the table of consents."""

    kind: ClassVar[str] = "consent"
    field: Literal["consent"] = "consent"
    purpose: Literal["marketing", "profiling"]
    value: bool = Field(alias="is")


class Ratio(Range):
    """One field divided by another. A denominator that is zero or unknown makes it false."""

    kind: ClassVar[str] = "ratio"
    ratio: Annotated[list[Code], Field(min_length=2, max_length=2)]


class HasTag(Part):
    kind: ClassVar[str] = "tag"
    tag: Code
    value: bool = Field(alias="is")


class DidEvent(Part):
    """An event done, or not done, so often, so lately, with these properties."""

    kind: ClassVar[str] = "event"
    event: Code
    did: bool = True
    at_least: Times = 1
    within_days: Days | None = None
    where: dict[Property, Text | Number | bool] | None = Field(default=None, min_length=1, max_length=5)
    channel: Annotated[str, Field(min_length=1, max_length=20), AfterValidator(_storable)] | None = None


class LastEvent(Part):
    """An event done before, the last time at least so many days ago."""

    kind: ClassVar[str] = "event"
    event: Code
    last_before_days: Days


class FundTraits(Part):
    """Which funds: all that is given must hold."""

    fund: Annotated[str, Field(min_length=1, max_length=20), AfterValidator(_storable)] | None = None
    asset_class: Code | None = None
    category: Code | None = None
    company: Code | None = None
    grade_at_least: Annotated[int, Field(ge=1, le=5)] | None = None

    @property
    def traits(self) -> dict[str, Any]:
        """The traits that are given."""
        return {name: value for name in FUND_TRAITS if (value := getattr(self, name)) is not None}


class Ordered(FundTraits):
    """An order that was not rejected, placed or not placed; unless an origin is named, decisions only and no instalments of plans."""

    kind: ClassVar[str] = "order"
    order: Literal["any", "buy", "sell"]
    origin: list[Literal["investor", "proposal", "override", "plan"]] | None = Field(default=None, min_length=1)
    did: bool = True
    at_least: Times = 1
    within_days: Days | None = None


class HeldFund(FundTraits):
    @model_validator(mode="after")
    def says_which(self) -> Self:
        if not self.traits:
            raise ValueError("needs a fund or a trait of funds")
        return self


class Holds(Part):
    """Holds such a fund now, or ever: a confirmed purchase at any time."""

    kind: ClassVar[str] = "holding"
    holding: HeldFund
    value: bool = Field(alias="is", default=True)
    ever: bool = False


class Messaged(Part):
    kind: ClassVar[str] = "message"
    message: Literal["sent", "opened", "clicked", "failed"]
    did: bool = True
    within_days: Days | None = None
    campaign: Key | None = None


class InCampaign(Part):
    kind: ClassVar[str] = "campaign"
    campaign: Key
    is_in: bool = True


class InSegment(Part):
    kind: ClassVar[str] = "segment"
    segment: Key
    is_in: bool = True


class Resembles(Part):
    """Among those outside a segment who are most like its people: the nearest so many, or the nearest share of all compared."""

    kind: ClassVar[str] = "look_alike"
    resembles: Key
    nearest: Annotated[int, Field(ge=1, le=MOST_NEAREST)] | None = None
    nearest_share: Annotated[float, Field(ge=1 / SHARE_PARTS, le=MOST_SHARE, allow_inf_nan=False)] | None = None
    is_in: bool = True

    @model_validator(mode="after")
    def says_how_far(self) -> Self:
        if (self.nearest is None) == (self.nearest_share is None):
            raise ValueError("needs nearest or nearest_share, and not both")
        return self

    @property
    def parts(self) -> int | None:
        """The share in whole parts of ten thousand."""
        return None if self.nearest_share is None else round(self.nearest_share * SHARE_PARTS)


class NextActionIs(Part):
    """What would be best done next is one of these, and still holds at the moment of counting."""

    kind: ClassVar[str] = "next_action"
    actions: list[Literal["assess", "proposal", "plan", "goal", "learn", "place", "silence"]] = Field(alias="next_action", min_length=1)
    is_in: bool = True


class Bucket(Part):
    """A random part of everybody: buckets `from` to below `below` of 10,000, dealt anew for every salt."""

    kind: ClassVar[str] = "bucket"
    bucket: Code
    start: Annotated[int, Field(ge=0, lt=N_BUCKETS)] = Field(alias="from", default=0)
    below: Annotated[int, Field(ge=1, le=N_BUCKETS)]

    @model_validator(mode="after")
    def is_not_empty(self) -> Self:
        if self.below <= self.start:
            raise ValueError("below must be more than from")
        return self


class All(Part):
    nodes: "list[Node]" = Field(alias="all", min_length=1)


class AnyOf(Part):
    nodes: "list[Node]" = Field(alias="any", min_length=1)


class NoneOf(Part):
    nodes: "list[Node]" = Field(alias="not", min_length=1)


JOINTS = ("all", "any", "not")
# The first key present decides.
KINDS = ("order", "message", "event", "holding", "ratio", "tag", "resembles", "next_action", "segment", "bucket", "campaign", "field")
DAYS_KEYS = ("days_ago_at_least", "days_ago_below", "in_days_below")


def _tag_of(data: Any) -> str | None:
    """Which type reads a node; tags begin with @ so that they never look like keys of the rule in a place."""
    if isinstance(data, Part):
        return f"@{type(data).__name__}"
    if not isinstance(data, dict):
        return None
    for joint, name in zip(JOINTS, ("All", "AnyOf", "NoneOf"), strict=True):
        if joint in data:
            return f"@{name}"
    kind = next((kind for kind in KINDS if kind in data), None)
    if kind == "field":
        return _field_tag(data)
    if kind == "event":
        return "@LastEvent" if "last_before_days" in data else "@DidEvent"
    plain = {"order": Ordered, "message": Messaged, "holding": Holds, "ratio": Ratio, "tag": HasTag, "segment": InSegment}
    plain |= {"bucket": Bucket, "campaign": InCampaign, "resembles": Resembles, "next_action": NextActionIs}
    return f"@{plain[kind].__name__}" if kind else None


def _field_tag(data: dict[str, Any]) -> str:
    if data["field"] == "consent":
        return "@ConsentIs"
    if "is" in data:
        return "@FieldFlag" if isinstance(data["is"], bool) else "@FieldIs"
    return "@FieldDays" if any(key in data for key in DAYS_KEYS) else "@FieldRange"


FieldCondition = FieldRange | FieldIs | FieldFlag | FieldDays
FactCondition = DidEvent | LastEvent | Ordered | Holds | Messaged
Condition = FieldCondition | FactCondition | ConsentIs | Ratio | HasTag | InCampaign | InSegment | Resembles | NextActionIs | Bucket
Group = All | AnyOf | NoneOf
Node = Annotated[
    Annotated[All, Tag("@All")]
    | Annotated[AnyOf, Tag("@AnyOf")]
    | Annotated[NoneOf, Tag("@NoneOf")]
    | Annotated[FieldRange, Tag("@FieldRange")]
    | Annotated[FieldIs, Tag("@FieldIs")]
    | Annotated[FieldFlag, Tag("@FieldFlag")]
    | Annotated[FieldDays, Tag("@FieldDays")]
    | Annotated[ConsentIs, Tag("@ConsentIs")]
    | Annotated[Ratio, Tag("@Ratio")]
    | Annotated[HasTag, Tag("@HasTag")]
    | Annotated[DidEvent, Tag("@DidEvent")]
    | Annotated[LastEvent, Tag("@LastEvent")]
    | Annotated[Ordered, Tag("@Ordered")]
    | Annotated[Holds, Tag("@Holds")]
    | Annotated[Messaged, Tag("@Messaged")]
    | Annotated[InCampaign, Tag("@InCampaign")]
    | Annotated[InSegment, Tag("@InSegment")]
    | Annotated[Resembles, Tag("@Resembles")]
    | Annotated[NextActionIs, Tag("@NextActionIs")]
    | Annotated[Bucket, Tag("@Bucket")],
    Discriminator(_tag_of),
]
