"""One run of the recommender in the hands of one worker."""

import time
import uuid
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils import timezone

from config.jobs import fail_job, finish_job, write_if_claimed
from marketing.kernels.interactions import Interactions, Matrix, confidence_matrix
from marketing.kernels.recommenders.contract import Recommender
from marketing.models import RecommenderRun
from marketing.selectors.interactions import load_interactions


class ClaimLost(Exception):
    """Another worker has the run: stop, and write nothing more."""


class Night:
    """The run, the claim on it, and what is read or fitted once and used by several stages. Every write asks for the claim."""

    def __init__(self, run: RecommenderRun, token: uuid.UUID, lease_seconds: int) -> None:
        self.run, self.token, self.lease_seconds = run, token, lease_seconds
        self.model: Recommender | None = None  # fitted on everything
        self.is_over = False
        self._began = time.monotonic()

    @property
    def as_of(self) -> datetime:
        """The moment that the run's first worker froze; now, as long as none has."""
        return self.run.as_of or timezone.now()

    @cached_property
    def seen(self) -> Interactions:
        return load_interactions(self.as_of)

    @cached_property
    def matrix(self) -> Matrix:
        return confidence_matrix(self.seen)

    def write(self, **fields: Any) -> None:
        """Write fields of the run and renew the claim. Raises ClaimLost, which rolls the caller's transaction back."""
        self._write(write_if_claimed(RecommenderRun, self.run.pk, self.token, lease_seconds=self.lease_seconds, **fields), fields)

    def note(self, **facts: Any) -> None:
        """Add facts to the model card."""
        self.write(report=self.run.report | facts)

    def enter(self, stage: str, *, facts: dict[str, Any], **fields: Any) -> None:
        """Go on to a stage, with what the last one adds to the model card.

        Five tries are for a stage, not for the night: what a worker has ended, the next ones need not try again.
        """
        report = self.run.report | facts | {"seconds": self._seconds()}
        self.write(**{"stage": stage, "report": report, "n_done": 0, "n_total": 0, "attempts": 1} | fields)
        self._began = time.monotonic()

    def end(self, *, facts: dict[str, Any], error: dict[str, Any] | None = None, **fields: Any) -> None:
        """Write that the run is over, as failed where an error says why."""
        fields |= {"report": self.run.report | facts | {"seconds": self._seconds()}}
        if error:
            self.write(**fields)
            self._write(fail_job(RecommenderRun, self.run.pk, self.token, error), {})
        else:
            self._write(finish_job(RecommenderRun, self.run.pk, self.token, **fields), fields)
        self.is_over = True

    def _write(self, is_ours: bool, fields: dict[str, Any]) -> None:
        if not is_ours:
            raise ClaimLost
        for name, value in fields.items():
            setattr(self.run, name, value)

    def _seconds(self) -> dict[str, float]:
        """Seconds a stage, with those of now; of a stage whose worker died only what the last one spent on it."""
        known: dict[str, float] = self.run.report.get("seconds", {})
        return known | {self.run.stage: round(time.monotonic() - self._began, 2)}
