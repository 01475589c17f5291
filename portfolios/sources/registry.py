"""The sources by name, and how each is opened."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from portfolios.kernels.errors import DataError
from portfolios.sources.contract import Source

CSV = "csv"


@dataclass(frozen=True)
class Kind:
    """How a source is opened from a run's request, and whether it must be told the funds."""

    open: Callable[[Mapping[str, Any], date], Source]
    needs_codes: bool = False


# What a source is made of is imported when it is opened: pandas takes a second.
def _csv(request: Mapping[str, Any], today: date) -> Source:
    from portfolios.sources.files import Files, FileSource

    return FileSource(Files(**{name: Path(path) for name, path in request["files"].items()}))


def _akshare(request: Mapping[str, Any], today: date) -> Source:
    from portfolios.sources.akshare import AkshareSource

    return AkshareSource()


def _yfinance(request: Mapping[str, Any], today: date) -> Source:
    from portfolios.sources.yfinance import YfinanceSource

    return YfinanceSource()


SOURCES: dict[str, Kind] = {
    CSV: Kind(_csv),
    "akshare": Kind(_akshare, needs_codes=True),
    "yfinance": Kind(_yfinance, needs_codes=True),
}


def open_source(name: str, request: Mapping[str, Any], today: date) -> Source:
    """Open a source; raises DataError for one there is none of, or whose library is not installed."""
    if name not in SOURCES:
        raise DataError("unknown_source", source=name)
    return SOURCES[name].open(request, today)
