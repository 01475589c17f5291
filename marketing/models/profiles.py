"""What is known about each investor in one wide row, its dated changes, and the segments built on it."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.models import Investor
from config.jobs import Job
from marketing.models.audience import MarketerRows, PersonRows


class Dormancy(models.TextChoices):
    NEW = "new", _("new")
    ACTIVE = "active", _("active")
    CALM = "calm", _("calm holder")
    COOLING = "cooling", _("cooling")
    DORMANT = "dormant", _("dormant")
    LOST = "lost", _("lost")


class ProfileBuild(Job):
    """One rebuilding of profiles, in blocks of investors: everybody's, or of those something happened to."""

    class Kind(models.TextChoices):
        FULL = "full", _("everybody")
        INCREMENTAL = "incremental", _("whom something happened to")

    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.FULL)
    as_of = models.DateField()
    last_investor = models.BigIntegerField(default=0)  # where an interrupted build goes on
    n_rows = models.PositiveIntegerField(default=0)
    report = models.JSONField(default=dict)

    objects = MarketerRows.as_manager()

    class Meta:
        verbose_name = _("building of profiles")
        verbose_name_plural = _("buildings of profiles")
        ordering = ["-pk"]


class Profile(models.Model):
    """One wide typed row an investor; what each column means stands in marketing/catalogue/profile.yaml.

    A row is written whole by one build, named by `version`, and holds what was true at the end of `as_of`.
    """

    investor = models.OneToOneField(Investor, on_delete=models.CASCADE, primary_key=True, related_name="profile")
    version = models.BigIntegerField(default=0)  # the build that wrote the row
    as_of = models.DateField(null=True, blank=True)
    refreshed_at = models.DateTimeField(default=timezone.now)
    dormancy = models.CharField(max_length=8, choices=Dormancy.choices, default=Dormancy.NEW, db_index=True)
    dormancy_since = models.DateField(null=True, blank=True)
    p_alive = models.FloatField(null=True)
    expected_decisions_90d = models.FloatField(null=True)
    rhythm_days = models.FloatField(null=True)
    level = models.SmallIntegerField(null=True)
    level_valid_until = models.DateField(null=True, blank=True)
    confidence = models.CharField(max_length=40, blank=True, default="")
    assessed_date = models.DateField(null=True, blank=True)
    n_assessments = models.PositiveIntegerField(default=0)
    has_draft_assessment = models.BooleanField(default=False)
    stated_loss = models.FloatField(null=True)
    age_band = models.CharField(max_length=40, blank=True, default="")
    income = models.CharField(max_length=40, blank=True, default="")
    reserve = models.CharField(max_length=40, blank=True, default="")
    debt = models.CharField(max_length=40, blank=True, default="")
    dependants = models.CharField(max_length=40, blank=True, default="")
    experience = models.CharField(max_length=40, blank=True, default="")
    language = models.CharField(max_length=40, blank=True, default="")
    elder_mode = models.BooleanField(default=False)
    joined_date = models.DateField(null=True, blank=True)
    acquisition_source = models.CharField(max_length=40, blank=True, default="")
    has_advisor = models.BooleanField(default=False)
    household_size = models.PositiveIntegerField(default=0)
    consent_marketing = models.BooleanField(default=False)
    consent_profiling = models.BooleanField(default=False)
    recommendations_off = models.BooleanField(default=False)
    last_decision_at = models.DateTimeField(null=True, blank=True)
    first_decision_at = models.DateTimeField(null=True, blank=True)
    n_decisions = models.PositiveIntegerField(default=0)
    n_decisions_90d = models.PositiveIntegerField(default=0)
    n_decisions_365d = models.PositiveIntegerField(default=0)
    n_purchases_365d = models.PositiveIntegerField(default=0)
    n_redemptions_365d = models.PositiveIntegerField(default=0)
    last_order_at = models.DateTimeField(null=True, blank=True)
    last_purchase_at = models.DateTimeField(null=True, blank=True)
    last_redemption_at = models.DateTimeField(null=True, blank=True)
    bought_365d_minor = models.BigIntegerField(default=0)
    sold_365d_minor = models.BigIntegerField(default=0)
    mean_purchase_minor = models.BigIntegerField(default=0)
    net_flow_90d_minor = models.BigIntegerField(default=0)
    net_flow_365d_minor = models.BigIntegerField(default=0)
    deposits_365d_minor = models.BigIntegerField(default=0)
    last_deposit_date = models.DateField(null=True, blank=True)
    fees_365d_minor = models.BigIntegerField(default=0)
    value_365d_minor = models.BigIntegerField(default=0)
    assets_minor = models.BigIntegerField(default=0)
    invested_minor = models.BigIntegerField(default=0)
    idle_cash_minor = models.BigIntegerField(default=0)
    idle_share = models.FloatField(null=True)
    n_holdings = models.PositiveIntegerField(default=0)
    largest_share = models.FloatField(null=True)
    n_companies = models.PositiveIntegerField(default=0)
    holding_fee_bps = models.FloatField(null=True)
    purchase_fee_bps = models.FloatField(null=True)
    highest_grade = models.PositiveSmallIntegerField(null=True)
    holding_days = models.FloatField(null=True)
    unrealised_return = models.FloatField(null=True)
    in_profit_share = models.FloatField(null=True)
    drawdown_felt = models.FloatField(null=True)
    share_money_market = models.FloatField(null=True)
    share_short_bond = models.FloatField(null=True)
    share_bond = models.FloatField(null=True)
    share_mixed = models.FloatField(null=True)
    share_equity = models.FloatField(null=True)
    share_sector_equity = models.FloatField(null=True)
    share_overseas_equity = models.FloatField(null=True)
    share_gold = models.FloatField(null=True)
    share_reit = models.FloatField(null=True)
    share_commodity = models.FloatField(null=True)
    affinity_money_market = models.FloatField(null=True)
    affinity_short_bond = models.FloatField(null=True)
    affinity_bond = models.FloatField(null=True)
    affinity_mixed = models.FloatField(null=True)
    affinity_equity = models.FloatField(null=True)
    affinity_sector_equity = models.FloatField(null=True)
    affinity_overseas_equity = models.FloatField(null=True)
    affinity_gold = models.FloatField(null=True)
    affinity_reit = models.FloatField(null=True)
    affinity_commodity = models.FloatField(null=True)
    top_category = models.CharField(max_length=40, blank=True, default="")
    top_theme = models.CharField(max_length=40, blank=True, default="")
    top_company = models.CharField(max_length=80, blank=True, default="")
    n_goals = models.PositiveIntegerField(default=0)
    goal_kind = models.CharField(max_length=40, blank=True, default="")
    first_goal_date = models.DateField(null=True, blank=True)
    last_goal_date = models.DateField(null=True, blank=True)
    goal_amount_minor = models.BigIntegerField(default=0)
    n_goals_funded = models.PositiveIntegerField(default=0)
    goal_progress = models.FloatField(null=True)
    has_waiting_proposal = models.BooleanField(default=False)
    plan_status = models.CharField(max_length=40, blank=True, default="")
    n_plan_orders_90d = models.PositiveIntegerField(default=0)
    plan_month_minor = models.BigIntegerField(default=0)
    last_visit_at = models.DateTimeField(null=True, blank=True)
    n_visits_7d = models.PositiveIntegerField(default=0)
    n_visits_30d = models.PositiveIntegerField(default=0)
    n_visits_90d = models.PositiveIntegerField(default=0)
    n_pages_30d = models.PositiveIntegerField(default=0)
    n_fund_views_30d = models.PositiveIntegerField(default=0)
    n_funds_seen_30d = models.PositiveIntegerField(default=0)
    fee_seen = models.FloatField(null=True)
    n_searches_90d = models.PositiveIntegerField(default=0)
    n_calculations_90d = models.PositiveIntegerField(default=0)
    n_questions_90d = models.PositiveIntegerField(default=0)
    active_hour = models.PositiveSmallIntegerField(null=True)
    evening_share = models.FloatField(null=True)
    weekend_share = models.FloatField(null=True)
    visit_channel = models.CharField(max_length=40, blank=True, default="")
    n_messages_90d = models.PositiveIntegerField(default=0)
    n_opened_90d = models.PositiveIntegerField(default=0)
    n_clicked_90d = models.PositiveIntegerField(default=0)
    n_unread = models.PositiveIntegerField(default=0)
    has_complained = models.BooleanField(default=False)
    last_opened_at = models.DateTimeField(null=True, blank=True)
    best_channel = models.CharField(max_length=40, blank=True, default="")
    panic = models.FloatField(null=True)
    turnover = models.FloatField(null=True)
    disposition = models.FloatField(null=True)
    concentration = models.FloatField(null=True)
    chasing = models.FloatField(null=True)
    review_due = models.BooleanField(default=False)
    level_changed_date = models.DateField(null=True, blank=True)
    level_move = models.CharField(max_length=40, blank=True, default="")
    bucket_seed = models.PositiveIntegerField(default=0)

    objects = PersonRows.as_manager()


class DormancyChange(models.Model):
    """A dated change of state. Seen once a day, so at most one a day an investor."""

    investor = models.ForeignKey(Investor, on_delete=models.CASCADE, related_name="dormancy_changes")
    from_state = models.CharField(max_length=8, blank=True)
    to_state = models.CharField(max_length=8, choices=Dormancy.choices)
    date = models.DateField()
    reason = models.CharField(max_length=20, blank=True)  # a code of marketing.kernels.dormancy
    p_alive = models.FloatField(null=True)
    n_silent_days = models.PositiveIntegerField(null=True)
    idle_cash_minor = models.BigIntegerField(default=0)  # as the state began: what may be placed later

    objects = PersonRows.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["investor", "date"], name="one_dormancy_change_a_day")]
        indexes = [models.Index(fields=["date"], name="dormancy_changes_of_a_day")]
