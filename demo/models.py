"""Which simulated world this database holds, and how far its loading came."""

from django.db import models
from django.utils import timezone


class World(models.Model):
    """One simulated world. A part without its date was interrupted and is made again from nothing."""

    seed = models.BigIntegerField()
    n_funds = models.PositiveIntegerField()
    n_investors = models.PositiveIntegerField()
    n_years = models.PositiveSmallIntegerField(null=True, blank=True)  # of NAVs kept; empty for all
    started_at = models.DateTimeField(default=timezone.now)
    market_loaded_at = models.DateTimeField(null=True, blank=True)
    people_loaded_at = models.DateTimeField(null=True, blank=True)
