"""The record of advice: one chain an investor, its payloads, the daily roots, and what the nightly verification found.

Rows are only ever added. Models and querysets refuse the rest, and so do triggers (advisor/append_only.py).
"""

import uuid
from typing import Any, NoReturn, Self

from django.db import IntegrityError, models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models.people import Investor, PersonQuerySet
from advisor.models.readvice import ReviewQuerySet


class RecordKind(models.TextChoices):
    """What an entry tells. Not the column's choices: a new kind is no migration."""

    CONSENT = "consent", _("consent")
    PREFERENCE = "preference", _("preference")
    ASSESSMENT = "assessment", _("risk assessment")
    LEVEL = "level", _("level in force")
    LEVEL_CONFIRMED = "level_confirmed", _("assessment confirmed by an advisor")
    LEVEL_HOLD = "level_hold", _("hold of the level")
    LEVEL_REVIEW = "level_review", _("review of the level")
    REASSESSMENT = "reassessment", _("new assessment asked for or offered")
    NOTICE = "notice", _("reminder")
    PROPOSAL_ASKED = "proposal_asked", _("proposal asked for")
    PROPOSAL = "proposal", _("proposal worked out")
    PROPOSAL_TAKEN_BACK = "proposal_taken_back", _("proposal taken back")
    ACCEPTANCE = "acceptance", _("proposal accepted")
    OVERRIDE = "override", _("override made")
    OVERRIDE_ENDED = "override_ended", _("override ended")
    WARNING = "warning", _("warning shown")
    WARNING_ACKNOWLEDGED = "warning_acknowledged", _("warning acknowledged")
    PURCHASE = "purchase", _("purchase on own initiative")
    MESSAGE = "message", _("message")
    ERASED = "erased", _("contents erased")
    ACCOUNT_CLOSED = "account_closed", _("account closed at the person's request")
    DATA_ERASED = "data_erased", _("data beside this record erased")


class AppendOnlyError(IntegrityError):
    """A row of the record was to be changed or deleted."""


def _refuse(model: type[models.Model]) -> NoReturn:
    raise AppendOnlyError(f"{model._meta.db_table} is append-only")


class AppendOnlyRows(models.QuerySet[Any]):
    """Adds rows, and refuses everything that changes or deletes one."""

    def update(self, **fields: Any) -> int:
        _refuse(self.model)

    def bulk_update(self, *args: Any, **kwargs: Any) -> int:
        _refuse(self.model)

    def delete(self) -> tuple[int, dict[str, int]]:
        _refuse(self.model)

    delete.alters_data, delete.queryset_only = True, True  # type: ignore[attr-defined]

    def bulk_create(self, *args: Any, update_conflicts: bool = False, **kwargs: Any) -> list[Any]:
        if update_conflicts:
            _refuse(self.model)
        return super().bulk_create(*args, **kwargs)


class PersonRecordQuerySet(AppendOnlyRows, PersonQuerySet):  # type: ignore[override]
    pass


class RootQuerySet(AppendOnlyRows, ReviewQuerySet):  # type: ignore[override]
    pass


class AppendOnlyModel(models.Model):
    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            _refuse(type(self))
        super().save(*args, **(kwargs | {"force_insert": True}))

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        _refuse(type(self))


class AdviceRecord(AppendOnlyModel):
    """One entry of an investor's chain. What it tells stands in its payload, which `commitment` binds."""

    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="records", db_index=False)
    seq = models.PositiveIntegerField()  # 1, 2, 3, ... without a gap
    kind = models.CharField(max_length=24)
    at = models.DateTimeField()
    commitment = models.CharField(max_length=64)
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    objects = PersonRecordQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        verbose_name = _("entry of the record")
        verbose_name_plural = _("record of advice")
        constraints = [models.UniqueConstraint(fields=["investor", "seq"], name="record_seq_once")]

    def __str__(self) -> str:
        return f"{self.investor_id}/{self.seq} {self.kind}"

    @property
    def said(self) -> str:
        """The kind in words; one without words yet shows its code."""
        return str(dict(RecordKind.choices).get(self.kind, self.kind.replace("_", " ")))


class AdvicePayload(AppendOnlyModel):
    """What an entry tells, with the salt of its commitment: the only row that may go, and only when the chain says so.

    Found by (investor, seq), the entry's own name, so that it may go without touching the entry.
    """

    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="+", db_index=False)
    seq = models.PositiveIntegerField()
    salt = models.CharField(max_length=32)
    text = models.TextField()  # canonical JSON, as it was committed to: a JSON column would write it anew

    objects = PersonRecordQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["investor", "seq"], name="payload_seq_once")]


class RecordRoot(AppendOnlyModel):
    """A day's root over the latest entries of all chains and the root before. The log has the same line."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    day = models.DateField(unique=True)
    previous = models.CharField(max_length=64, blank=True)
    root = models.CharField(max_length=64)
    n = models.PositiveIntegerField()  # chains
    n_records = models.BigIntegerField()
    made_at = models.DateTimeField(default=timezone.now)

    objects = RootQuerySet.as_manager()

    class Meta:
        ordering = ["-day"]


class RecordHead(AppendOnlyModel):
    """The latest entry of a chain that grew since the root before: with it a root names the chain that was cut or rewritten.

    Heads are written in blocks before their root; without a root they count for nothing.
    """

    root = models.ForeignKey(RecordRoot, on_delete=models.DO_NOTHING, related_name="heads", db_constraint=False, db_index=False)
    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="+", db_index=False)
    seq = models.PositiveIntegerField()
    hash = models.CharField(max_length=64)

    objects = PersonRecordQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["investor", "root"], name="head_once_a_root")]


class RecordVerification(models.Model):
    """One reading of every chain and root: when, how much, and how many findings."""

    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    n_investors = models.PositiveIntegerField(default=0)
    n_records = models.BigIntegerField(default=0)
    n_roots = models.PositiveIntegerField(default=0)
    n_findings = models.PositiveIntegerField(default=0)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]


class RecordFindingQuerySet(PersonQuerySet):
    def visible_to(self, user: Any) -> Self:
        """Findings about one's own people; those about a root concern everybody who may see verifications."""
        about_roots = models.Q(investor=None, verification__in=RecordVerification.objects.visible_to(user).values("pk"))
        return self.filter(about_roots | models.Q(investor__in=Investor.objects.visible_to(user).values("pk")))


class RecordFinding(models.Model):
    """One thing that a verification found wrong."""

    verification = models.ForeignKey(RecordVerification, on_delete=models.CASCADE, related_name="findings")
    investor = models.ForeignKey(Investor, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    seq = models.PositiveIntegerField(null=True, blank=True)
    code = models.CharField(max_length=20)  # of advisor.kernels.record
    detail = models.CharField(max_length=80, blank=True)

    objects = RecordFindingQuerySet.as_manager()
    investor_path = "investor"
