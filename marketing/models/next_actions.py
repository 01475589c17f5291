"""What would be best done next for each investor, by which channel, at which hour and why; silence is an answer too."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from config.jobs import Job
from marketing.models.audience import MarketerRows, PersonRows
from portfolios.models import Fund


class NextActionRun(Job):
    """One night's working out, in blocks of investors."""

    as_of = models.DateField(unique=True)
    last_investor = models.BigIntegerField(default=0)  # where an interrupted run goes on
    n_changed = models.PositiveIntegerField(default=0)
    n_leads = models.PositiveIntegerField(default=0)  # tasks opened for advisors

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("working out of next actions")
        verbose_name_plural = _("workings out of next actions")
        ordering = ["-as_of"]


class NextAction(models.Model):
    """The next best action for one person who agreed to profiling. What it says is checked again whenever it is drawn."""

    class Kind(models.TextChoices):
        ASSESS = "assess", _("answer the questionnaire")
        PROPOSAL = "proposal", _("look at the proposal that waits")
        PLAN = "plan", _("look at the plan that stopped")
        GOAL = "goal", _("talk about goals that fall behind")
        LEARN = "learn", _("wake with something to learn")
        PLACE = "place", _("place idle cash")
        SILENCE = "silence", _("leave alone")

    class Channel(models.TextChoices):
        NONE = "", _("none")
        ADVISOR = "advisor", _("advisor")
        EMAIL = "email", _("e-mail")
        INBOX = "inbox", _("inbox")

    investor = models.OneToOneField(Investor, on_delete=models.CASCADE, primary_key=True, related_name="next_action")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    fund = models.ForeignKey(Fund, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    channel = models.CharField(max_length=8, choices=Channel.choices, blank=True, default=Channel.NONE)
    hour = models.PositiveSmallIntegerField(null=True, blank=True)  # of the day here; null where no habit is known
    reason = models.CharField(max_length=20)  # a code of marketing.kernels.next_action
    data = models.JSONField(default=dict)  # what the reason's sentence needs
    score = models.FloatField()  # the higher, the sooner: see marketing.kernels.next_action
    day = models.DateField()  # since when it stands as it does

    objects = PersonRows.as_manager()

    class Meta:
        verbose_name = _("next action")
        verbose_name_plural = _("next actions")
        indexes = [models.Index(fields=["kind", "channel", "hour"], name="next_action_counts")]
