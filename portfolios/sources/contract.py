"""What every source is: facts about funds, and their prices in pieces that hold each fund whole.

A piece's frame has the columns of `sources.frame`. Funds come in the same order each time a source is asked the same, so that a
run that was interrupted leaves out the first ones; a piece without funds is a sign of life of a source that is still reading.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from portfolios.kernels.errors import DataError

if TYPE_CHECKING:  # pandas takes a second to import, and facts need none of it
    import pandas as pd


@dataclass(frozen=True)
class Size:
    """A quarter's published size; `published_date` is when anybody could know it."""

    as_of_date: date
    published_date: date
    size_minor: int
    units_centi: int
    institutional_share: float | None = None


@dataclass(frozen=True)
class Event:
    """Something that became true of a fund: `kind`, `text` and `number` as in `models.FundFact`."""

    kind: str
    from_date: date
    published_date: date
    text: str = ""
    number: int | None = None


@dataclass(frozen=True)
class FundFacts:
    """What a source says a fund is. `columns` are columns of `models.Fund` by name; what is not in them is not said.

    `category` and `grade` are the issuer's; `words` are looked through for a category where none is given.
    """

    code: str
    category: str = ""
    grade: int | None = None
    currency: str = ""
    words: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0  # of the table it stands in
    sizes: tuple[Size, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What is asked of a source: `codes` (empty: all it has), each from `since` on (a fund without: from its start), until `today`."""

    today: date
    codes: tuple[str, ...] = ()
    since: Mapping[str, date] = field(default_factory=dict)
    skip: int = 0  # so many of the first funds are done already


@dataclass(frozen=True)
class Piece:
    """Some funds whole: their rows, and for those that could not be read the reason. `n_funds` counts the funds of all pieces."""

    codes: tuple[str, ...]
    frame: "pd.DataFrame"
    failed: Mapping[str, DataError] = field(default_factory=dict)
    n_funds: int = 0


class Source(Protocol):
    """A source of funds and prices."""

    name: str

    def describe(self, codes: Sequence[str]) -> Iterable[FundFacts]:
        """Facts about these funds; one of which the source knows nothing is left out. Raises DataError."""

    def pieces(self, wanted: Wanted) -> Iterator[Piece]:
        """The wanted funds' rows, each fund in one piece. Raises DataError where nothing at all can be read."""
