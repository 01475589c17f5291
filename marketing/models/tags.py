"""Yes/no tags of investors: definitions as data, one bit each in a row of words, and what was gained and lost when."""

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from config.jobs import Job
from marketing.models.audience import MarketerRows, PersonRows

N_WORDS = 20  # room for 1,200 tags without DDL


class Tag(models.Model):
    """One tag: its words in both languages, the rule that gives it, and the (word, bit) that it owns.

    A tag without a place has none yet, or gave it back: a bit is cleared everywhere before another tag gets it.
    """

    class State(models.TextChoices):
        ACTIVE = "active", _("in use")
        RETIRED = "retired", _("no longer used")  # its bit is being cleared, or was

    class Sensitivity(models.TextChoices):
        PLAIN = "plain", _("for every use")
        PROFILING = "profiling", _("only of people who agreed to profiling")
        RESTRICTED = "restricted", _("for protection and service, never for sales")

    code = models.SlugField(max_length=60, unique=True)
    name_zh = models.CharField(max_length=60)
    name_en = models.CharField(max_length=80)
    meaning_zh = models.CharField(max_length=300, blank=True)
    meaning_en = models.CharField(max_length=300, blank=True)
    group = models.CharField(max_length=30, db_index=True)  # life stage, assets, experience, ...: a group of tags.yaml
    rule = models.JSONField()
    refresh = models.CharField(max_length=10, default="nightly")
    owner = models.CharField(max_length=60, blank=True)
    sensitivity = models.CharField(max_length=10, choices=Sensitivity.choices, default=Sensitivity.PLAIN)
    priority = models.PositiveSmallIntegerField(default=100)  # the smaller, the earlier among the twelve on a person's page
    state = models.CharField(max_length=8, choices=State.choices, default=State.ACTIVE, db_index=True)
    word = models.PositiveSmallIntegerField(null=True, blank=True)
    bit = models.PositiveSmallIntegerField(null=True, blank=True)
    problem = models.CharField(max_length=200, blank=True)  # why the last refresh could not give it, as code|place|name
    needs_consent = models.BooleanField(default=False)  # rests on what is read only with consent to profiling
    is_shipped = models.BooleanField(default=False)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    defined_at = models.DateTimeField(default=timezone.now)  # when the rule was last changed
    # Gained and lost are counted from this day; before the first refresh of a rule it is empty: that nobody had the tag
    # the day before says nothing about people.
    counted_from = models.DateField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    retired_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["group", "priority", "code"]
        constraints = [models.UniqueConstraint(fields=["word", "bit"], condition=models.Q(word__isnull=False), name="a_bit_has_one_tag")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return self.name_zh if (get_language() or "zh").startswith("zh") else self.name_en

    @property
    def meaning(self) -> str:
        return self.meaning_zh if (get_language() or "zh").startswith("zh") else self.meaning_en


class TagWords(models.Model):
    """An investor's tags: bit b of word w is set if the tag at (w, b) holds."""

    investor = models.OneToOneField(Investor, on_delete=models.CASCADE, primary_key=True, related_name="tag_words")
    w0 = models.BigIntegerField(default=0)
    w1 = models.BigIntegerField(default=0)
    w2 = models.BigIntegerField(default=0)
    w3 = models.BigIntegerField(default=0)
    w4 = models.BigIntegerField(default=0)
    w5 = models.BigIntegerField(default=0)
    w6 = models.BigIntegerField(default=0)
    w7 = models.BigIntegerField(default=0)
    w8 = models.BigIntegerField(default=0)
    w9 = models.BigIntegerField(default=0)
    w10 = models.BigIntegerField(default=0)
    w11 = models.BigIntegerField(default=0)
    w12 = models.BigIntegerField(default=0)
    w13 = models.BigIntegerField(default=0)
    w14 = models.BigIntegerField(default=0)
    w15 = models.BigIntegerField(default=0)
    w16 = models.BigIntegerField(default=0)
    w17 = models.BigIntegerField(default=0)
    w18 = models.BigIntegerField(default=0)
    w19 = models.BigIntegerField(default=0)

    objects = PersonRows.as_manager()


class TagRefresh(Job):
    """One working out of the tags, in blocks of investors. At most one is unfinished: it holds the slot."""

    as_of = models.DateField()
    is_full = models.BooleanField(default=False)
    slot = models.PositiveSmallIntegerField(null=True, default=1, unique=True, editable=False)
    started_at = models.DateTimeField(null=True)
    last_investor = models.BigIntegerField(default=0)  # where an interrupted refresh goes on
    version_floor = models.BigIntegerField(default=0)  # profiles of builds before this one were whole when it began
    n_changed = models.PositiveIntegerField(default=0)  # people of whom some tag changed
    n_flips = models.PositiveIntegerField(default=0)
    sizes = models.JSONField(default=list)  # people by word and bit, so far

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("refresh of tags")
        verbose_name_plural = _("refreshes of tags")
        ordering = ["-pk"]


class TagChange(models.Model):
    """A tag gained or lost, one row a change."""

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="tag_changes", db_index=False)
    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="changes", db_index=False)
    is_gained = models.BooleanField()
    date = models.DateField()

    objects = PersonRows.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tag", "date", "investor"], name="one_tag_change_a_day")]
        indexes = [models.Index(fields=["investor", "date"], name="tag_changes_of_investor")]


class TagSize(models.Model):
    """How many people had a tag at the end of a day."""

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="sizes")
    date = models.DateField()
    n = models.PositiveIntegerField()

    objects = MarketerRows.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tag", "date"], name="one_tag_size_a_day")]
