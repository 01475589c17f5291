"""Taking back what an interrupted load left, so that it can begin again."""

from allauth.account.models import EmailAddress
from django.db import transaction
from django.db.models import Q

from advisor.models import (
    Account,
    Assessment,
    BehaviourReading,
    Clearance,
    Consent,
    Goal,
    GoalEvent,
    GoalHigh,
    Household,
    Investor,
    LevelChange,
    LevelHold,
    LevelReview,
    Notice,
    Override,
    OverrideEvent,
    Proposal,
    ProposalEvent,
    ReviewTrigger,
    Task,
)  # fmt: skip
from demo.logins import DOMAIN
from demo.services.bulk import erase
from identity.models import User
from marketing.models import (
    Acquisition,
    AnonymousIdentity,
    Delivery,
    DormancyChange,
    Event,
    FollowedFund,
    InboxMessage,
    InvestorFactors,
    LookAlike,
    NextAction,
    NotInterested,
    Profile,
    Reactivation,
    Suggestion,
    SuggestionImpression,
    TagChange,
    TagWords,
)
from portfolios.models import Holding, LedgerEntry, Order, OrderEvent, Portfolio


def erase_people() -> int:
    """Delete every simulated investor with all that hangs on them, in short transactions; returns how many. Safe to repeat.

    Only for a world that was never finished: nobody has used it yet.
    """
    ours = Investor.objects.filter(is_simulated=True)
    mine = Q(investor__in=ours.values("pk"))
    goals = Goal.objects.filter(account__investor__in=ours.values("pk"))
    # A portfolio without a goal was written just before the interruption.
    of_portfolio = Q(portfolio__in=Portfolio.objects.filter(Q(goal__in=goals.values("pk")) | Q(goal__isnull=True)).values("pk"))
    shown = (InboxMessage, Delivery, Suggestion, SuggestionImpression, NotInterested, NextAction, InvestorFactors, LookAlike)
    for model in (*shown, FollowedFund, DormancyChange, Reactivation, TagChange, TagWords, Event):
        erase(model.objects.filter(mine))
    erase(Event.objects.filter(investor=None, anonymous_id__startswith="sim-"))
    erase(AnonymousIdentity.objects.filter(mine))
    erase(Acquisition.objects.filter(mine))
    erase(Profile.objects.filter(mine))
    erase(OverrideEvent.objects.filter(override__goal__in=goals.values("pk")))
    erase(Override.objects.filter(goal__in=goals.values("pk")))
    erase(OrderEvent.objects.filter(order__in=Order.objects.filter(of_portfolio).values("pk")))
    for money in (LedgerEntry, Order, Holding):
        erase(money.objects.filter(of_portfolio))
    erase(ProposalEvent.objects.filter(proposal__goal__in=goals.values("pk")))
    erase(Proposal.objects.filter(goal__in=goals.values("pk")))
    erase(GoalHigh.objects.filter(goal__in=goals.values("pk")))
    for between in (Notice, ReviewTrigger, LevelHold, LevelReview, BehaviourReading):
        erase(between.objects.filter(mine))
    for record in (Clearance, Task, LevelChange, Assessment, Consent):
        erase(record.objects.filter(mine))
    erase(GoalEvent.objects.filter(goal__in=goals.values("pk")))
    erase(goals)
    erase(Portfolio.objects.filter(goal__isnull=True))
    erase(Account.objects.filter(mine))
    return _erase_identities()


def _erase_identities() -> int:
    n_erased = erase(Investor.objects.filter(is_simulated=True))
    erase(Household.objects.filter(investors__isnull=True))
    users = User.objects.filter(email__endswith=f"@{DOMAIN}", staff_member__isnull=True, is_staff=False)
    with transaction.atomic():
        User.groups.through.objects.filter(user__in=users.values("pk")).delete()
        EmailAddress.objects.filter(user__in=users.values("pk")).delete()
    erase(users)
    return n_erased
