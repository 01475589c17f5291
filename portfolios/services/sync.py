"""Reading the configured source anew: what a night's beat and an operator ask for alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from config.jobs import Job
from portfolios.kernels.errors import DataError
from portfolios.models import ImportRun
from portfolios.services.imports import as_data, request_import
from portfolios.sources.registry import CSV


@dataclass(frozen=True)
class SyncRequest:
    """What to read: `codes` (empty: the funds of this source), `since` a day, the `file` of the source csv, a simulation's options."""

    source: str
    codes: tuple[str, ...] = ()
    since: date | None = None
    file: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def request_sync(*, request: SyncRequest, actor: Any = None) -> ImportRun:
    """Queue an import from a source, each fund from some days before its last price on. Raises DataError as `request_import`."""
    path = request.file or (Path(settings.MARKET_FILE) if request.source == CSV and settings.MARKET_FILE else None)
    return request_import(
        source=request.source,
        files={"prices": path} if path else {},
        codes=request.codes,
        since=request.since,
        options=request.options,
        actor=actor,
    )


def sync_configured_source() -> ImportRun | None:
    """Queue the nightly import of MARKET_SOURCE; None where no source is configured.

    One that cannot even be asked for stands in the list of imports as failed: at night nobody reads a log.
    """
    if not settings.MARKET_SOURCE:
        return None
    try:
        return request_sync(request=SyncRequest(settings.MARKET_SOURCE))
    except DataError as error:
        return ImportRun.objects.create(
            source=settings.MARKET_SOURCE, status=Job.Status.FAILED, finished_at=timezone.now(), error=as_data(error)
        )
