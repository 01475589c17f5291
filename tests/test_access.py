"""Every address x every role: who is let in, who is sent to sign in, who is refused.

The table is held against the URL resolver: an address without a row fails, and so does a row without an address.
All ids in the addresses belong to Anna, whom Ada advises and Cora covers; Sue supervises the branch.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone

from advisor.models import Account, Cover, Goal, LevelReview, Override, OwnPurchase, Proposal, ReadviceRun, Task
from advisor.services import assess_in_bulk, clear
from advisor.services.assessments import BulkAssessment
from marketing.channels.tokens import unsubscribe_token
from marketing.models import Campaign, CampaignStep, Delivery, InboxMessage, MetricAlert, RecommenderRun, SavedQuestion, SegmentExport
from marketing.services import ensure_builtin_segments
from marketing.services.api_keys import make_api_key
from portfolios.models import Backtest, Fund, ImportRun, Pool, PoolDecision, PoolFund
from portfolios.services import open_portfolio
from tests.advisor.instruments_world import kept_version
from tests.advisor.test_onboarding import ANSWERS
from tests.marketing.tag_world import rich
from tests.marketing.tag_world import tag as make_tag
from tests.portfolios.backtest_world import BACKTEST_INPUTS, BACKTEST_RESULT
from tests.portfolios.pages.import_world import waiting_history
from tests.portfolios.pages.models_world import make_set
from tests.portfolios.pages.screens_world import make_run

WHO = ("nobody", "anna", "ben", "ada", "bob", "cora", "sue", "mark", "adam")
TABLE = Path(__file__).with_name("access.txt")
# yes: let in (a page, a fragment, a form's own complaint, or on to the next page); in: sent to sign in; to: sent to
# one's own place; no: refused or not found, which are not told apart; na: this method does not exist here.
SAID = {"yes", "in", "to", "no", "na"}


@dataclass(frozen=True)
class Row:
    name: str
    method: str
    expected: dict[str, str]


def rows() -> list[Row]:
    lines = [line.split() for line in TABLE.read_text(encoding="utf-8").splitlines() if line.strip() and not line.startswith("#")]
    return [Row(name, method, dict(zip(WHO, answers, strict=True))) for name, method, *answers in lines]


def addresses(resolver=None, namespace=""):
    """(name, parameters) of every named address; the admin's catch-all and redirects have none."""
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern, f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace)
        elif pattern.name:
            yield f"{namespace}{pattern.name}", tuple(pattern.pattern.regex.groupindex)


@pytest.fixture
def annas(people, monkeypatch):
    """One of everything that an address can name, all of it Anna's or everybody's."""
    monkeypatch.setattr("advisor.views.statements.render_pdf", lambda html: b"%PDF-")  # who is let in, not how it is drawn
    investor, now = people.anna_investor, timezone.now()
    assess_in_bulk(sheets=[BulkAssessment(investor.pk, ANSWERS, 10_000_000, now)])
    assessment = investor.assessments.get()
    investor.refresh_from_db()
    fund = Fund.objects.create(code="A00001", name_en="Fund A", category="mixed", asset_class="mixed", risk_grade=3, source="test")
    PoolFund.objects.create(pool=Pool.objects.create(name="pool", is_current=True), fund=fund)
    account = Account.objects.create(investor=investor)
    goal = Goal.objects.create(
        account=account, name="Anna's pot", kind="wealth", amount_minor=10_000_00, target_date=timezone.localdate() + timedelta(days=3000)
    )
    proposal = Proposal.objects.create(
        goal=goal, assessment=assessment, level=3, inputs={}, inputs_sha256="0", status="failed", error={"code": "x"}
    )
    override = Override.objects.create(
        goal=goal,
        advisor=people.ada,
        weights={"A00001": 1.0},
        price={},
        reason="Anna asked for it",
        expires_on=timezone.localdate() + timedelta(days=30),
    )
    delivery = make_delivery(investor)
    backtest = Backtest.objects.create(name="walk", inputs=BACKTEST_INPUTS, inputs_sha256="0", status="done", result=BACKTEST_RESULT)
    models = [make_set(waits=waits) for waits in (False, True)]
    screens = [make_run(date(2026, month, 20), {"A00001": 0.9}) for month in (8, 11)]
    wish = PoolDecision.objects.create(
        fund=fund, kind="exclude", reason="A new manager came", expires_date=timezone.localdate() + timedelta(days=30), asked_by=people.ada
    )
    return {
        "fund": fund.code, "goal": goal.pk, "proposal": proposal.pk, "override": override.pk, "segment": delivery.campaign.segment_id,
        "segment_export_take": make_export(delivery.campaign.segment, people.mark).pk,
        "campaign": delivery.campaign_id,
        "metric": "people", "ask_kind": "funnel",
        **dict.fromkeys(("metric_alert_seen", "metric_alert_stop"), MetricAlert.objects.create(metric="people", kind="below", limit=1).pk),
        **dict.fromkeys(("ask_saved", "ask_forget"), SavedQuestion.objects.create(name="x", kind="distribution", question={}).pk),
        "task": Task.objects.create(investor=investor, kind="call").pk,
        "purchase": make_purchase(goal, fund).pk,
        "advisors:level_review_decide": LevelReview.objects.create(
            investor=investor, kind="age", reason="She reads balance sheets", asked_by=people.ada
        ).pk,
        "message": InboxMessage.objects.create(investor=investor, subject="Anna's letter", body="x").pk,
        "advisors:review_progress": ReadviceRun.objects.create(on_date=timezone.localdate(), pool_id=1, data_date=timezone.localdate()).pk,
        "assessment": assessment.pk,
        "advisors:instrument": kept_version().pk,
        "tag": make_tag("rich", rich()).code,
        "recommender": RecommenderRun.objects.create().pk,
        "client": investor.pk, "user": people.anna.pk, "token": unsubscribe_token(delivery),
        **dict.fromkeys([f"market_model_{name}" for name in ("set", "progress", "compare", "decide")], models[1].pk),
        **dict.fromkeys(("market_import", "market_import_issues", "market_import_progress"), ImportRun.objects.create(source="csv").pk),
        **dict.fromkeys(("market_quarantine", "market_quarantine_decide"), waiting_history().pk),
        **dict.fromkeys([f"market_screen{name}" for name in ("", "_progress", "_compare", "_csv", "_fund")], screens[1].pk),
        **dict.fromkeys(("market_pool_version", "market_pool_csv"), Pool.objects.get().pk),
        **dict.fromkeys([f"market_pool_decision{name}" for name in ("", "_decide", "_withdraw")], wish.pk),
        **dict.fromkeys(("market_backtest", "market_backtest_csv", "market_backtest_progress"), backtest.pk),
        "admin:advisor_branch_change": investor.household.branch_id,
        "admin:advisor_cover_change": Cover.objects.get().pk,
        "admin:identity_user_change": people.ada.pk,
        "admin:marketing_apikey_change": make_api_key(name="app", scopes=[])[0].pk,
        "admin:marketing_recommenderrun_change": RecommenderRun.objects.create().pk,
        "admin:portfolios_fund_change": fund.pk,
        "admin:portfolios_importrun_change": ImportRun.objects.create(source="csv", file_name="x.csv", sha256="0").pk,
        "admin:portfolios_pool_change": Pool.objects.get().pk,
    }  # fmt: skip


def make_delivery(investor) -> Delivery:
    campaign = Campaign.objects.create(name="hello", segment=ensure_builtin_segments()[0])
    step = CampaignStep.objects.create(
        campaign=campaign, channels=["inbox"], subject_zh="您好", subject_en="Hello", body_zh="您好", body_en="Hello"
    )
    return Delivery.objects.create(campaign=campaign, step=step, channel="email", investor=investor)


def make_export(segment, actor) -> SegmentExport:
    return SegmentExport.objects.create(
        segment=segment, segment_name="x", version=1, rule=segment.rule, reason="audit", why="asked for", columns="pseudonyms", actor=actor,
        expires_at=timezone.now() + timedelta(minutes=15),
    )  # fmt: skip


def make_purchase(goal, fund) -> OwnPurchase:
    goal.portfolio = open_portfolio()
    goal.save()
    investor = goal.account.investor
    cleared = clear(investor=investor, portfolio_id=goal.portfolio_id, fund=fund, side="buy", amount_minor=100_000)
    return OwnPurchase.objects.create(
        investor=investor, goal=goal, fund=fund, amount_minor=100_000, level=3, risk_grade=4, warning_kind="above_level",
        lapses_at=timezone.now() + timedelta(days=1), first_clearance=cleared, request_key=uuid4(),
    )  # fmt: skip


# Which of Anna's things a parameter of an address stands for.
THING = {
    **dict.fromkeys([f"advisors:client_{step}" for step in ("hold", "reassess", "review", "rise")], "client"),
    **dict.fromkeys([f"advisors:client_{page}" for page in ("record", "statement", "statement_pdf")], "client"),
    "advisors:client": "client", "advisors:client_level": "client", "advisors:task_done": "task", "advisors:override": "goal",
    "advisors:override_withdraw": "override", "message": "message", "unsubscribe": "token", "segment": "segment",
    "fund": "fund", "goal": "goal", "proposal_new": "goal", "redeem": "goal",
}  # fmt: skip


def address(name: str, parameters: tuple[str, ...], annas: dict) -> str:
    if not parameters:
        return reverse(name)
    fixed = {"item": "income", "code": "A00001", "uidb36": "1", "key": "set-password", "app_label": "portfolios", "content_type_id": "1"}
    prefix = name.split("_")[0]
    thing = annas.get(name) or annas.get(THING.get(name) or prefix, 1)
    return reverse(name, kwargs={parameter: fixed.get(parameter, thing) for parameter in parameters})


def answer(response) -> str:
    if response.status_code in (301, 302):
        target = response.headers["Location"]
        if "/login/" in target and "code" not in target:
            return "in"
        return "to" if response.wsgi_request.method == "GET" else "yes"
    if response.status_code in (401, 403, 404):
        return "no"
    return {405: "na"}.get(response.status_code, "yes" if response.status_code < 500 else f"broken {response.status_code}")


def test_every_address_has_a_row_and_every_row_an_address(db):
    named = {name for name, _ in addresses()}
    listed = {row.name for row in rows()}
    assert named - listed == set(), "addresses without a row in tests/access.txt"
    assert listed - named == set(), "rows without an address"


def test_the_table_says_something_of_both_methods():
    methods: dict[str, set[str]] = {}
    for row in rows():
        methods.setdefault(row.name, set()).add(row.method)
        assert set(row.expected.values()) <= SAID, row
    assert {name for name, said in methods.items() if said != {"GET", "POST"}} == set()


def test_everybody_gets_the_answer_of_the_table(people, annas, client):
    """One world for all rows; what a row's requests change is taken back before the next."""
    sessions = {who: session_of(client, getattr(people, who)) for who in WHO if who != "nobody"}
    parameters, wrong = dict(addresses()), []
    for row in rows():
        with transaction.atomic():
            got = {who: answer(ask(row, address(row.name, parameters[row.name], annas), who, sessions, client)) for who in WHO}
            transaction.set_rollback(True)
        cache.clear()
        if got != row.expected:
            wrong.append((row.method, row.name, {who: (got[who], row.expected[who]) for who in WHO if got[who] != row.expected[who]}))
    assert not wrong, "\n".join(f"{method} {name}: (got, expected) {told}" for method, name, told in wrong)


def session_of(client, user) -> str:
    """The key of a session in which somebody has just signed in."""
    client.cookies.clear()
    client.force_login(user)
    return client.session.session_key


def ask(row: Row, path: str, who: str, sessions: dict[str, str], client):
    """What somebody gets who asks; whoever is refused reads nothing of Anna on the page that says so."""
    client.cookies.clear()
    if who in sessions:
        client.cookies[settings.SESSION_COOKIE_NAME] = sessions[who]
    response = getattr(client, row.method.lower())(path)
    if row.expected[who] != "yes" and not response.headers.get("Location"):
        assert "Anna" not in response.content.decode(errors="replace") or who == "anna", f"{who} reads of Anna: {row.method} {row.name}"
    return response
