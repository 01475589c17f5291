"""Saved rules with their versions, the people whom one described at a moment, sizes by the day, and who took a list away."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from marketing.models.audience import MarketerRows, PersonRows


class Purpose(models.TextChoices):
    SALES = "sales", _("sales and advice")
    SERVICE = "service", _("service and protection only")


class Segment(models.Model):
    """A named audience: a validated rule tree (marketing.kernels.segments), evaluated whenever it is asked for."""

    class Builtin(models.TextChoices):
        DORMANT_IDLE_CASH = "dormant_idle_cash", _("Dormant with idle cash")

    name = models.CharField(_("name"), max_length=80, unique=True)
    builtin = models.CharField(max_length=30, choices=Builtin.choices, null=True, blank=True, unique=True, editable=False)
    rule = models.JSONField()
    purpose = models.CharField(_("what for"), max_length=10, choices=Purpose.choices, default=Purpose.SALES)
    version = models.PositiveIntegerField(default=1)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        ordering = ["name"]
        permissions = [("export_segment", "Can take the list of a segment away as a file")]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """The name as the marketer gave it; a built-in one is named in the reader's language."""
        return str(self.Builtin(self.builtin).label) if self.builtin else self.name


class SegmentVersion(models.Model):
    """What a segment said from one saving to the next. Never changed; the newest one equals the segment."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=80)
    rule = models.JSONField()
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    objects = MarketerRows.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["segment", "number"], name="segment_version_once")]


class SegmentSnapshot(models.Model):
    """The people of a segment at one moment: the rule with everything it names written out, and its members in rows."""

    segment = models.ForeignKey(Segment, on_delete=models.PROTECT, related_name="snapshots")
    version = models.PositiveIntegerField()
    rule = models.JSONField()
    as_of = models.DateTimeField()
    n = models.PositiveIntegerField(null=True, blank=True)  # null while it is being written
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    objects = MarketerRows.as_manager()

    class Meta:
        ordering = ["-pk"]


class SegmentMember(models.Model):
    """One person of a snapshot."""

    snapshot = models.ForeignKey(SegmentSnapshot, on_delete=models.CASCADE, related_name="members", db_index=False)
    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="segment_memberships")

    objects = PersonRows.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["snapshot", "investor"], name="one_membership_a_snapshot")]


class SegmentSize(models.Model):
    """How many people a segment had on a day, as last counted on it. Told to the nearest ten."""

    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, related_name="sizes")
    date = models.DateField()
    n = models.PositiveIntegerField()

    objects = MarketerRows.as_manager()

    class Meta:
        ordering = ["date"]
        constraints = [models.UniqueConstraint(fields=["segment", "date"], name="one_segment_size_a_day")]


class SegmentExport(models.Model):
    """A list that somebody asked for: who, when, why, of which people, and when it was taken. Kept for good."""

    class Reason(models.TextChoices):
        ANALYSIS = "analysis", _("analysis outside this system")
        ACQUISITION = "acquisition", _("finding similar people: hashed contact data for an advertising partner")
        AUDIT = "audit", _("proof for an audit or a regulator")

    class Columns(models.TextChoices):
        PSEUDONYMS = "pseudonyms", _("pseudonyms")
        HASHED = "hashed", _("hashed e-mail address and phone number, of people who agreed to marketing")

    segment = models.ForeignKey(Segment, null=True, on_delete=models.SET_NULL, related_name="exports")
    segment_name = models.CharField(max_length=80)
    version = models.PositiveIntegerField()
    rule = models.JSONField()  # with the segments it names written out
    reason = models.CharField(_("what for"), max_length=12, choices=Reason.choices)
    why = models.CharField(_("why"), max_length=300)
    columns = models.CharField(_("what is in it"), max_length=12, choices=Columns.choices)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True, blank=True)
    n_rows = models.PositiveIntegerField(null=True, blank=True)

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("export of a segment")
        verbose_name_plural = _("exports of segments")
        ordering = ["-pk"]
