"""Who looked at whom is noted once, and an account that is closed stays closed."""

from datetime import timedelta
from unittest.mock import Mock

import pytest
import time_machine
from django.core.cache import cache
from django.db import DatabaseError
from django.urls import reverse
from django.utils import timezone

from advisor.errors import Refused
from advisor.middleware import DOORS
from advisor.models import Account, AdviceRecord, Assessment, Consent, DataAccess, Goal, Household, LevelReview, ReviewTrigger, Task
from advisor.models.record import AppendOnlyError
from advisor.selectors import investors_with_consent
from advisor.selectors.record import verify_chain
from advisor.services import give_consent, start_assessment
from advisor.services.privacy import close_account, log_access
from advisor.services.reassessment import remind
from identity.roles import Role
from identity.services import give_role
from portfolios.models import Fund, Holding, Order
from portfolios.services import deposit, open_portfolio
from tests.advisor.level_world import assess
from tests.test_access import addresses
from tests.test_access import rows as access_rows


@pytest.fixture
def goal(people):
    account = Account.objects.create(investor=people.anna_investor)
    return Goal.objects.create(account=account, name="Anna's pot", kind="wealth", amount_minor=100_00, target_date=timezone.localdate())


def looks(**about) -> list[tuple[str, str]]:
    return list(DataAccess.objects.filter(**about).order_by("pk").values_list("role", "what"))


def test_who_opens_a_client_is_noted_with_role_and_page(people, goal, client):
    client.force_login(people.ada)
    client.get(reverse("advisors:client", args=[people.anna_investor.pk]))
    client.get(reverse("goal", args=[goal.pk]))
    client.force_login(people.sue)
    client.get(reverse("advisors:client_record", args=[people.anna_investor.pk]))
    expected = [("advisor", "advisors:client"), ("advisor", "goal"), ("supervisor", "advisors:client_record")]
    assert looks(investor=people.anna_investor) == expected


def test_the_same_page_within_half_an_hour_counts_once(people, client):
    client.force_login(people.ada)
    for _ in range(3):
        client.get(reverse("advisors:client", args=[people.anna_investor.pk]))
    assert DataAccess.objects.count() == 1
    cache.clear()  # as after half an hour
    client.get(reverse("advisors:client", args=[people.anna_investor.pk]))
    assert DataAccess.objects.count() == 2


def test_a_look_that_could_not_be_noted_is_noted_at_the_next_try(people, client, monkeypatch):
    address = reverse("advisors:client", args=[people.anna_investor.pk])
    client.force_login(people.ada)
    with monkeypatch.context() as broken:
        broken.setattr(DataAccess.objects, "create", Mock(side_effect=DatabaseError))
        with pytest.raises(DatabaseError):
            client.get(address)
    assert client.get(address).status_code == 200
    assert looks() == [("advisor", "advisors:client")]


def test_neither_a_refused_look_nor_one_at_oneself_is_noted(people, goal, client):
    client.force_login(people.bob)
    assert client.get(reverse("advisors:client", args=[people.anna_investor.pk])).status_code == 404
    give_role(user=people.anna, role=Role.ADVISOR)  # who works here and saves here, too
    client.force_login(people.anna)
    assert client.get(reverse("goal", args=[goal.pk])).status_code == 200
    assert looks() == []


def test_who_is_sent_to_set_up_a_second_factor_first_has_looked_at_nobody(people, client, settings):
    settings.SECOND_FACTOR_REQUIRED = True
    client.force_login(people.ada)
    for pk in (people.anna_investor.pk, people.ben_investor.pk, 999_999):  # a client, somebody else's, nobody
        assert client.get(reverse("advisors:client", args=[pk])).status_code == 302
    assert looks() == []


def test_every_address_of_the_advisors_site_that_names_a_row_of_a_client_is_a_door():
    """Lists, the runs of the night and questionnaires name nobody; everything else there is noted."""
    nobody = {"advisors:review_progress", "advisors:instrument", "advisors:instrument_publish"}
    named = {name for name, parameters in addresses() if name.startswith("advisors:") and parameters}
    assert named - nobody == {name for name in DOORS if name.startswith("advisors:")}


def test_every_address_that_only_those_who_advise_a_person_may_open_is_a_door():
    """By the table of every address and role: let in are Anna's advisor or supervisor, and not an advisor of others."""
    parameters = dict(addresses())
    close = {row.name for row in access_rows() if row.expected["bob"] == "no" and "yes" in (row.expected["ada"], row.expected["sue"])}
    named = {name for name in close if parameters.get(name) and not name.startswith(("advisors:", "market_"))}
    assert {"assessment_csv", "goal"} <= named <= set(DOORS)


def test_the_answers_as_a_file_are_a_look_of_the_staff_and_none_of_the_person(people, client):
    sheet = assess(people.anna_investor, 2)
    client.force_login(people.anna)
    client.get(reverse("assessment_json", args=[sheet.pk]))
    assert looks() == []
    client.force_login(people.ada)
    assert client.get(reverse("assessment_csv", args=[sheet.pk])).status_code == 200
    assert looks(investor=people.anna_investor) == [("advisor", "assessment_csv")]


def test_rows_are_only_added(people):
    log_access(actor=people.ada, investor_id=people.anna_investor.pk, what="goal")
    row = DataAccess.objects.get()
    for change in (row.save, row.delete, DataAccess.objects.all().delete, lambda: DataAccess.objects.update(role="x")):
        with pytest.raises(AppendOnlyError):
            change()


def test_a_person_sees_looks_at_themselves_a_supervisor_those_of_the_branch_and_nobody_else_any(people, client):
    for investor in (people.anna_investor, people.ben_investor):
        log_access(actor=people.ada, investor_id=investor.pk, what="goal")
    seen = {name: DataAccess.objects.visible_to(getattr(people, name)).count() for name in ("anna", "ada", "sue", "mark", "adam")}
    assert seen == {"anna": 1, "ada": 0, "sue": 1, "mark": 0, "adam": 0}
    client.force_login(people.sue)
    page = client.get(reverse("advisors:accesses")).content.decode()
    assert "Anna" in page
    assert "Ben" not in page


def test_the_list_of_looks_takes_few_queries(people, client, django_assert_max_num_queries):
    DataAccess.objects.bulk_create(
        DataAccess(actor=people.ada, role="advisor", investor=people.anna_investor, what=f"page {n}") for n in range(120)
    )
    client.force_login(people.sue)
    with django_assert_max_num_queries(12):
        assert "page=2" in client.get(reverse("advisors:accesses")).content.decode()


# ── Closing an account ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_closed_account_has_no_name_no_consent_no_level_and_no_way_in(people, client):
    anna = people.anna_investor
    anna.level, anna.level_valid_until = 3, timezone.localdate() + timedelta(days=5)
    anna.save()
    give_consent(investor=anna, purpose="profiling", is_given=True, source="test")
    Task.objects.create(investor=anna, kind="call_me")
    Assessment.objects.create(investor=anna, instrument="standard-1", amount_minor=100)
    client.force_login(people.anna)
    closed = close_account(investor=anna, why="asked")
    assert close_account(investor=anna, why="asked").erased_at == closed.erased_at  # safe to repeat
    user = closed.user
    user.refresh_from_db()
    assert (user.name, user.phone, user.is_active, user.has_usable_password()) == (anna.pseudonym, None, False, False)
    assert "anna" not in user.email
    assert Household.objects.get(pk=anna.household_id).name == anna.pseudonym
    assert client.get(reverse("home")).context["user"].is_anonymous
    assert (closed.level, investors_with_consent("profiling").count(), Task.objects.filter(state="open").count()) == (None, 0, 0)
    assert not Assessment.objects.exists()  # one that was never finished is no advice
    assert [row.is_given for row in Consent.objects.order_by("pk")] == [True, False]  # kept as evidence
    kinds = list(AdviceRecord.objects.order_by("seq").values_list("kind", flat=True))
    assert kinds == ["consent", "consent", "account_closed"]
    assert not verify_chain(anna.pk).findings
    with pytest.raises(Refused, match="erased"):
        give_consent(investor=anna, purpose="marketing", is_given=True, source="test")
    with time_machine.travel(timezone.now() + timedelta(days=10)):
        assert remind() == 0


def test_a_household_that_others_stay_in_no_longer_bears_the_name_of_who_left(people):
    anna, ben = people.anna_investor, people.ben_investor
    ben.household_id = anna.household_id
    ben.save()
    Household.objects.filter(pk=anna.household_id).update(name=people.anna.name)
    close_account(investor=anna, why="asked")
    assert Household.objects.get(pk=anna.household_id).name == people.ben.name
    close_account(investor=ben, why="asked")
    assert Household.objects.get(pk=anna.household_id).name == ben.pseudonym


def test_a_household_keeps_a_name_of_its_own(people):
    people.ben_investor.household_id = people.anna_investor.household_id
    people.ben_investor.save()
    Household.objects.filter(pk=people.anna_investor.household_id).update(name="North Lane 7")
    close_account(investor=people.anna_investor, why="asked")
    assert Household.objects.get(pk=people.anna_investor.household_id).name == "North Lane 7"


def test_nobody_asks_a_person_whose_account_is_closed_for_anything(people, client):
    anna = people.anna_investor
    assess(anna, 2)
    closed = close_account(investor=anna, why="asked")
    client.force_login(people.ada)
    for step in ("reassess", "review"):
        sent = client.post(reverse(f"advisors:client_{step}", args=[anna.pk]), {"reason": "She sells her flat.", "kind": "age"})
        assert sent.status_code == 403
    page = client.get(reverse("advisors:client", args=[anna.pk]), headers={"accept-language": "en"}).content.decode()
    assert "account closed" in page.lower() and "as a supervisor" not in page
    with pytest.raises(Refused, match="erased"):
        start_assessment(investor=closed, amount_minor=100_00)
    assert not ReviewTrigger.objects.exists() and not LevelReview.objects.exists()


def test_an_account_with_cash_is_not_closed(people, goal):
    goal.portfolio = open_portfolio()
    goal.save()
    deposit(portfolio_id=goal.portfolio_id, amount_minor=50_00, key="x")
    with pytest.raises(Refused) as refused:
        close_account(investor=people.anna_investor, why="asked")
    assert refused.value.params["left"].cash_minor == 50_00
    people.anna.refresh_from_db()
    assert people.anna.is_active
    assert not AdviceRecord.objects.exists()


@pytest.mark.parametrize(("side", "state", "is_open"), [("buy", "placed", True), ("sell", "confirmed", True), ("buy", "confirmed", False)])
def test_an_account_with_an_open_order_is_not_closed(people, goal, side, state, is_open):
    goal.portfolio = open_portfolio()
    goal.save()
    fund = Fund.objects.create(code="A", category="mixed", asset_class="mixed", risk_grade=3, source="test")
    Order.objects.create(
        portfolio=goal.portfolio, fund=fund, side=side, state=state, amount_minor=100, units_centi=100, origin="investor",
        clearance_id=1, idempotency_key="k", placed_at=timezone.now(),
    )  # fmt: skip
    if not is_open:
        assert close_account(investor=people.anna_investor, why="asked").erased_at
        return
    with pytest.raises(Refused) as refused:
        close_account(investor=people.anna_investor, why="asked")
    assert refused.value.params["left"].n_open_orders == 1


def test_an_account_with_units_or_of_the_staff_is_not_closed(people, goal):
    goal.portfolio = open_portfolio()
    goal.save()
    fund = Fund.objects.create(code="A", category="mixed", asset_class="mixed", risk_grade=3, source="test")
    Holding.objects.create(portfolio=goal.portfolio, fund=fund, units_centi=1, cost_minor=0)
    give_role(user=people.anna, role=Role.MARKETER)
    with pytest.raises(Refused) as refused:
        close_account(investor=people.anna_investor, why="asked")
    assert (refused.value.params["left"].n_holdings, refused.value.params["left"].is_staff) == (1, True)
