"""Which simulated world this database holds, and how far its loading came."""

from django.db import models
from django.utils import timezone


class World(models.Model):
    """One simulated world. A part without its date was interrupted: it is made again, short lives are gone on with."""

    seed = models.BigIntegerField()
    n_funds = models.PositiveIntegerField()
    n_investors = models.PositiveIntegerField()
    n_full_lives = models.PositiveIntegerField(null=True, blank=True)  # the others have short ones; NULL: nobody has
    n_events = models.PositiveIntegerField(null=True, blank=True)  # about so many; NULL: 25 an investor
    n_years = models.PositiveSmallIntegerField(null=True, blank=True)  # of NAVs kept; empty for all
    started_at = models.DateTimeField(default=timezone.now)
    market_loaded_at = models.DateTimeField(null=True, blank=True)
    full_lives_loaded_at = models.DateTimeField(null=True, blank=True)
    people_loaded_at = models.DateTimeField(null=True, blank=True)
