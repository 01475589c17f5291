"""The sources by name, and how each is opened."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from portfolios.kernels.errors import DataError
from portfolios.sources.contract import Source

CSV, SIMULATED = "csv", "simulated"


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


def _simulated(request: Mapping[str, Any], today: date) -> Source:
    from portfolios.calendar import is_business_day
    from portfolios.jurisdictions import jurisdiction
    from portfolios.kernels.simulate import weekdays
    from portfolios.kernels.simulate_funds import make_funds
    from portfolios.sources.simulated import SimulatedSource

    table, options = jurisdiction(), request["options"]
    means = {name: table.classes[category.asset_class].mean for name, category in table.categories.items()}
    try:
        specs = make_funds(seed=options["seed"], n_funds=options["n_funds"], class_means=means, fee_caps_bps=table.purchase_fee_caps_bps)
    except ValueError as error:
        raise DataError("too_few_simulated_funds", n_funds=options["n_funds"]) from error
    days = weekdays(today)
    return SimulatedSource(specs, seed=options["seed"], sessions=days[[is_business_day(date.fromordinal(day)) for day in days.tolist()]])


SOURCES: dict[str, Kind] = {
    CSV: Kind(_csv),
    "akshare": Kind(_akshare, needs_codes=True),
    "yfinance": Kind(_yfinance, needs_codes=True),
    SIMULATED: Kind(_simulated),
}


def open_source(name: str, request: Mapping[str, Any], today: date) -> Source:
    """Open a source; raises DataError for one there is none of, or whose library is not installed."""
    if name not in SOURCES:
        raise DataError("unknown_source", source=name)
    return SOURCES[name].open(request, today)
