"""Investors, their households and advisors, what they agreed to, and what they save for."""

from datetime import date
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.kernels.goals import years_to_go
from identity.roles import Role
from portfolios.models import Portfolio


class Level(models.IntegerChoices):
    """The legal class of an investor: C1-min may hold R1 money-market funds only."""

    C1_MIN = 0, "C1-min"
    C1 = 1, "C1"
    C2 = 2, "C2"
    C3 = 3, "C3"
    C4 = 4, "C4"
    C5 = 5, "C5"


class StaffQuerySet(models.QuerySet[Any]):
    """Rows of a branch, seen by its own advisors and supervisors; the model's `staff_path` leads to their users."""

    def visible_to(self, user: Any) -> Self:
        if not user.is_authenticated or not (user.has_role(Role.ADVISOR) or user.has_role(Role.SUPERVISOR)):
            return self.none()
        return self.filter(**{self.model.staff_path: user}).distinct()


class Branch(models.Model):
    name = models.CharField(_("name"), max_length=80, unique=True)

    objects = StaffQuerySet.as_manager()
    staff_path = "staff__user"

    class Meta:
        verbose_name = _("branch")
        verbose_name_plural = _("branches")

    def __str__(self) -> str:
        return self.name


class StaffMember(models.Model):
    """An advisor or supervisor and the one branch each belongs to."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="staff_member")
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="staff")

    objects = StaffQuerySet.as_manager()
    staff_path = "branch__staff__user"

    def __str__(self) -> str:
        return str(self.user)


class HouseholdQuerySet(models.QuerySet["Household"]):
    def visible_to(self, user: Any) -> Self:
        return self.filter(investors__in=Investor.objects.visible_to(user).values("pk")).distinct()


class Household(models.Model):
    """People advised together, with their primary and secondary advisor."""

    name = models.CharField(_("name"), max_length=80)
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT, related_name="households")
    primary_advisor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="primary_households"
    )
    secondary_advisor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="secondary_households"
    )

    objects = HouseholdQuerySet.as_manager()

    class Meta:
        verbose_name = _("household")
        verbose_name_plural = _("households")

    def __str__(self) -> str:
        return self.name


class Cover(models.Model):
    """While it lasts, the deputy sees and serves the clients of the advisor who is away."""

    advisor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="covers_taken")
    deputy = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="covers_given")
    start_date = models.DateField()
    end_date = models.DateField()  # inclusive

    objects = StaffQuerySet.as_manager()
    staff_path = "advisor__staff_member__branch__staff__user"

    class Meta:
        verbose_name = _("cover")
        verbose_name_plural = _("covers")
        constraints = [models.CheckConstraint(condition=Q(end_date__gte=models.F("start_date")), name="cover_ends_after_it_starts")]


class InvestorQuerySet(models.QuerySet["Investor"]):
    def visible_to(self, user: Any) -> Self:
        """Own row; an advisor's clients, also by dated cover; a supervisor's branch. Nobody else's, whatever the role."""
        if not user.is_authenticated or not user.is_active:
            return self.none()
        seen = Q(user=user)
        if user.has_role(Role.ADVISOR):
            seen |= _advised_by(user)
        if user.has_role(Role.SUPERVISOR):
            # By subquery: a join to the branch's staff would repeat a client once a colleague for who is also an advisor.
            seen |= Q(household__branch__in=StaffMember.objects.filter(user=user).values("branch"))
        return self.filter(seen)

    def advised_by(self, user: Any) -> Self:
        """The clients whom this person may act for: not those a supervisor merely sees, and never oneself."""
        if not user.is_authenticated or not user.has_role(Role.ADVISOR):
            return self.none()
        return self.filter(_advised_by(user)).exclude(user=user)


def _advised_by(user: Any) -> Q:
    today = timezone.localdate()
    away = Cover.objects.filter(deputy=user, start_date__lte=today, end_date__gte=today).values("advisor")
    clients = Q()
    for post in ("household__primary_advisor", "household__secondary_advisor"):
        clients |= Q(**{post: user}) | Q(**{f"{post}__in": away})
    return clients


class PersonQuerySet(models.QuerySet[Any]):
    """Rows that belong to one investor, named by the model's `investor_path`."""

    def visible_to(self, user: Any) -> Self:
        path: str = self.model.investor_path
        return self.filter(**{f"{path}__in": Investor.objects.visible_to(user).values("pk")})


class Investor(models.Model):
    """A person who is advised. `level` is the level in force, a copy kept by the services beside its dated history."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="investor")
    household = models.ForeignKey(Household, on_delete=models.PROTECT, related_name="investors")
    pseudonym = models.CharField(max_length=12, unique=True)
    level = models.SmallIntegerField(choices=Level.choices, null=True, blank=True)
    level_valid_until = models.DateField(null=True, blank=True)
    recommendations_off_at = models.DateTimeField(null=True, blank=True)
    is_simulated = models.BooleanField(default=False)
    joined_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    # Since when this is a closed file: what the law demands is kept, and nobody advises, profiles or writes to the person.
    erased_at = models.DateTimeField(null=True, blank=True)

    objects = InvestorQuerySet.as_manager()

    class Meta:
        verbose_name = _("investor")
        verbose_name_plural = _("investors")
        constraints = [models.CheckConstraint(condition=Q(level__range=(0, 5)) | Q(level__isnull=True), name="investor_level_0_to_5")]

    def __str__(self) -> str:
        return str(self.user)

    def has_valid_level(self, on: date | None = None) -> bool:
        on = on or timezone.localdate()
        return self.level is not None and self.level_valid_until is not None and on <= self.level_valid_until


class Consent(models.Model):
    """One yes or no to one purpose, dated; the latest row of a purpose is in force."""

    class Purpose(models.TextChoices):
        TERMS = "terms", _("terms of service")
        PROFILING = "profiling", _("profiling of behaviour")
        MARKETING = "marketing", _("marketing messages")

    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="consents")
    purpose = models.CharField(max_length=12, choices=Purpose.choices)
    is_given = models.BooleanField()
    source = models.CharField(max_length=40)  # onboarding, preferences, unsubscribe, simulated
    at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"

    class Meta:
        indexes = [models.Index(fields=["investor", "purpose", "-at", "-id"], name="consent_latest")]


class Account(models.Model):
    """An investor's goals together, with the fee plan that holds for them."""

    investor = models.ForeignKey(Investor, on_delete=models.PROTECT, related_name="accounts")
    fee_bps = models.PositiveSmallIntegerField(default=0)
    opened_at = models.DateTimeField(default=timezone.now)

    objects = PersonQuerySet.as_manager()
    investor_path = "investor"


class Goal(models.Model):
    """A pot with a name: what for, how much now, by when. Its portfolio is opened when a proposal is accepted."""

    class Kind(models.TextChoices):
        RETIREMENT = "retirement", _("retirement")
        HOME = "home", _("a home")
        EDUCATION = "education", _("education")
        RESERVE = "reserve", _("a reserve")
        WEALTH = "wealth", _("long-term wealth")

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="goals")
    portfolio = models.OneToOneField(Portfolio, null=True, blank=True, on_delete=models.PROTECT, related_name="goal")
    name = models.CharField(_("name"), max_length=60)
    kind = models.CharField(_("what for"), max_length=12, choices=Kind.choices)
    amount_minor = models.BigIntegerField(_("amount to invest now"))
    target_minor = models.BigIntegerField(_("amount wanted"), null=True, blank=True)
    target_date = models.DateField(_("by when"))
    made_at = models.DateTimeField(default=timezone.now)
    # From the form that made it: the same form sent twice makes one goal.
    request_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)

    objects = PersonQuerySet.as_manager()
    investor_path = "account__investor"

    class Meta:
        verbose_name = _("goal")
        verbose_name_plural = _("goals")
        constraints = [models.CheckConstraint(condition=Q(amount_minor__gt=0), name="goal_amount_positive")]

    def __str__(self) -> str:
        return self.name

    def horizon_years(self, on: date | None = None) -> float:
        return years_to_go(self.target_date, on or timezone.localdate())
