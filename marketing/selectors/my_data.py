"""What a person is shown about themselves: everything that is known, from where, what they agreed to, and who looked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from advisor.models import Consent, DataAccess, Investor
from advisor.selectors import consents_of
from advisor.selectors.behaviour_page import BehaviourPage, behaviour_page
from advisor.selectors.privacy import InTheWay, accesses_of, consent_history, page_words
from marketing.catalogue import ProfileField, profile_fields
from marketing.catalogue.personal_data import PersonalData, PersonalTable, personal_data
from marketing.models import ErasureRequest, Profile, Tag
from marketing.selectors.segment_words import value_names, value_shower
from marketing.selectors.tags import tags_of
from portfolios.templatetags.money import yuan

CONSENTS_SHOWN, ACCESSES_SHOWN = 50, 30
# Where a field of the profile comes from, in the order of the page.
SOURCES = {
    "investor": gettext_lazy("Your account"),
    "assessment": gettext_lazy("Your answers to the questionnaire"),
    "consent": gettext_lazy("Your choices"),
    "goals": gettext_lazy("Your goals"),
    "ledger": gettext_lazy("Your money here"),
    "holdings": gettext_lazy("What you hold"),
    "orders": gettext_lazy("Your orders"),
    "events": gettext_lazy("Your visits"),
    "messages": gettext_lazy("Messages to you"),
    "behaviour": gettext_lazy("How you trade"),
    "dormancy": gettext_lazy("Worked out from when you decide"),
    "derived": gettext_lazy("Worked out from the above"),
}
CONSENT_SOURCES = {
    "onboarding": gettext_lazy("when you began"),
    "preferences": gettext_lazy("under preferences"),
    "unsubscribe": gettext_lazy("by the link in a message"),
    "erasure": gettext_lazy("with your request to erase"),
    "simulated": gettext_lazy("simulated"),
}
ROLES = {
    "advisor": gettext_lazy("an advisor"),
    "supervisor": gettext_lazy("a supervisor"),
    "admin": gettext_lazy("an administrator"),
    "marketer": gettext_lazy("a marketer"),
}


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class MyData:
    investor: Investor
    consents: dict[str, Consent]
    history: list[tuple[Consent, str]]  # each with where it was said
    facts: list[tuple[str, list[Fact]]]  # by where they come from
    tags: list[Tag]
    behaviour: BehaviourPage
    looks: list[tuple[DataAccess, str, str]]  # each with the role and the page in words
    erasure: ErasureRequest | None
    profile_at: Any


def my_data(investor: Investor) -> MyData:
    """Gather the page of a person who is signed in, in some ten queries."""
    profile = Profile.objects.filter(investor=investor).first()
    history = [(row, str(CONSENT_SOURCES.get(row.source, row.source))) for row in consent_history(investor)[:CONSENTS_SHOWN]]
    looks = [(row, str(ROLES.get(row.role, row.role)), page_words(row.what)) for row in accesses_of(investor.user)[:ACCESSES_SHOWN]]
    return MyData(
        investor=investor,
        consents=consents_of(investor),
        history=history,
        facts=facts_of(profile) if profile else [],
        tags=tags_of(investor),
        behaviour=behaviour_page(investor),
        looks=looks,
        erasure=ErasureRequest.objects.filter(investor=investor).first(),
        profile_at=profile.refreshed_at if profile else None,
    )


def facts_of(profile: Profile) -> list[tuple[str, list[Fact]]]:
    """Every field of a profile that says something, by where it comes from; also what no campaign may use."""
    found: dict[str, list[Fact]] = {source: [] for source in SOURCES}
    for field in profile_fields().values():
        value = getattr(profile, field.name)
        if value not in (None, "", False) and not (value == 0 and field.kind in {"count", "money", "signed_money"}):
            found.setdefault(field.source, []).append(Fact(field.label, _said(field, value)))
    return [(str(SOURCES.get(source, source)), facts) for source, facts in found.items() if facts]


def _said(field: ProfileField, value: Any) -> str:
    if field.kind == "bool":
        return _("yes")
    if field.kind == "date":
        return f"{timezone.localtime(value) if hasattr(value, 'hour') else value:%Y-%m-%d}"
    if field.kind in {"category", "level"}:
        return str(value_names(field).get(value, value))
    if field.kind in {"money", "signed_money"}:
        return str(yuan(value))
    if field.kind == "hour":
        return f"{value}:00"
    return value_shower(field.kind)(round(value, 3) if isinstance(value, float) else value)


# ── Erasure ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ErasurePage:
    in_the_way: list[str]
    goes: list[PersonalTable]
    stays: list[tuple[str, list[PersonalTable]]]  # by the law that asks for it
    detached: list[PersonalTable]


def erasure_page(left: InTheWay) -> ErasurePage:
    """What would go, what stays and why, and what has to be settled before."""
    data = personal_data()
    stays = [(data.basis[code].label, [table for table in data.tables if table.basis == code]) for code in data.basis]
    return ErasurePage(in_the_way_words(left), _with_fate(data, "erase", "placeholder"), stays, _with_fate(data, "detach"))


def _with_fate(data: PersonalData, *fates: str) -> list[PersonalTable]:
    return [table for table in data.tables if table.fate in fates]


def in_the_way_words(left: InTheWay) -> list[str]:
    """Each thing that keeps an account from being closed, in a sentence that says what to do."""
    return list(_sentences(left))


def _sentences(left: InTheWay) -> Iterable[str]:
    if left.n_holdings:
        yield _("You still hold funds (%(n)s). Redeem them first.") % {"n": left.n_holdings}
    if left.n_open_orders:
        yield _("Orders are still open (%(n)s). Wait until they are confirmed and paid.") % {"n": left.n_open_orders}
    if left.cash_minor:
        yield _("There is %(amount)s in your account. Have it paid out first; your advisor helps.") % {"amount": yuan(left.cash_minor)}
    if left.is_staff:
        yield _("You also work here. An administrator has to end that first.")
