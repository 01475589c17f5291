"""Thirty metrics against plain Python on a small world, the segments behind them, the nightly working out, and alerts."""

import uuid
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone, translation

from advisor.models import Account, Consent, Goal
from marketing.catalogue.metrics import metrics
from marketing.models import Delivery, MetricAlert, MetricAlertEvent, MetricDay, OverviewDay, Profile, Reactivation, Segment
from marketing.selectors.metric_words import alert_row, value_words
from marketing.selectors.metrics import history, is_told, latest_readings, rule_of, told_value, work_out
from marketing.selectors.segments import people_in, read_rule
from marketing.services.metrics import check_alerts, refresh_metrics, work_out_day, write_alert
from portfolios.models import Fund, Order
from portfolios.services import open_portfolio
from tests.marketing.crowd import agreed, crowd, draft

pytestmark = pytest.mark.django_db
FEW = {"version": 1, "rule": {"field": "has_draft_assessment", "is": True}}


@pytest.fixture
def world(db):
    """Forty-eight profiles that differ in everything a metric looks at, with orders, messages, consents and those who woke."""
    now, today = timezone.now(), timezone.localdate()
    people = crowd(48, consent=False)
    rows = list(Profile.objects.order_by("pk"))
    states = ["new", "active", "calm", "cooling", "dormant", "lost"]
    for at, row in enumerate(rows):
        row.dormancy, row.level = states[at % 6], [None, 0, 1, 2, 3, 4, 5][at % 7]
        row.joined_date = today - timedelta(days=at * 2)
        row.last_visit_at = now - timedelta(days=at) if at % 3 else None
        row.last_decision_at = now - timedelta(days=at * 3) if at % 4 else None
        row.level_valid_until = today + timedelta(days=at - 5) if at % 5 else None
        row.has_draft_assessment, row.has_waiting_proposal = at % 4 == 0, at % 8 == 1
        row.assets_minor, row.idle_cash_minor = (at % 5) * 1_000_000, (at % 5) * 30_000 * (at % 2)
        row.net_flow_90d_minor, row.value_365d_minor = (at - 20) * 1_000, at * 100
        row.in_profit_share = at / 48 if at % 3 else None
        row.plan_status = ["none", "running", "stopped", ""][at % 4]
        row.consent_marketing, row.consent_profiling = at % 2 == 0, at % 3 == 0
    Profile.objects.all().delete()
    Profile.objects.bulk_create(rows)
    fund = Fund.objects.create(code="A00001", name_en="Fund A", category="mixed", asset_class="mixed", risk_grade=3, source="test")
    for at, one in enumerate(people[:16]):
        portfolio = open_portfolio()
        Goal.objects.create(
            account=Account.objects.create(investor=one), name="x", kind="home", amount_minor=1, target_date=today, portfolio=portfolio
        )
        for origin, state, days in [
            ("plan", "paid", 1),
            ("investor", "rejected", 1),
            ("investor", "paid", 4 * at),
            ("override", "paid", 2),
        ]:
            if origin != "override" or at % 2:
                Order.objects.create(
                    portfolio=portfolio, fund=fund, side="buy", origin=origin, state=state, amount_minor=1,
                    placed_at=now - timedelta(days=days), clearance_id=uuid.uuid4(), idempotency_key=uuid.uuid4().hex,
                )  # fmt: skip
    campaign = draft()
    step = campaign.steps.get()
    Delivery.objects.bulk_create(
        [
            Delivery(
                campaign=campaign, step=step, channel="inbox", investor=one, status="failed" if at % 6 == 5 else "sent",
                ended_at=now - timedelta(days=at), opened_at=now if at % 2 else None, clicked_at=now if at % 4 == 1 else None,
            )
            for at, one in enumerate(people)
        ]
    )  # fmt: skip
    agreed(people[:20], days_ago=90)
    agreed(people[:15], is_given=False, days_ago=10)  # fifteen took it back, two of them have given it again
    agreed(people[13:15], days_ago=5)
    agreed(people[40:], is_given=False, days_ago=10)  # never agreed: no opt-out
    Reactivation.objects.bulk_create(
        [
            Reactivation(investor=one, kind=kind, date=today - timedelta(days=at))
            for at, one in enumerate(people[:40])
            for kind in ("plan_restored", "cash_placed")
        ]
    )
    return people


def by_hand(keys: set[int]) -> dict[str, float | None]:
    """Every metric again, one person at a time."""
    today = timezone.localdate()
    rows = [row for row in Profile.objects.all() if row.pk in keys]

    def days(at):
        return None if at is None else (today - (at if isinstance(at, date) and not hasattr(at, "hour") else timezone.localdate(at))).days

    def n(test):
        return float(sum(1 for row in rows if test(row)))

    def lately(at):
        return at is not None and 0 <= days(at) < 30

    def mean(values):
        values = [value for value in values if value is not None]
        return sum(values) / len(values) if values else None

    def ratio(upper, lower):
        return upper / lower if lower else None

    orders = [
        (order, order.portfolio.goal.account.investor_id) for order in Order.objects.exclude(state="rejected") if lately(order.placed_at)
    ]
    orders = [(order, who) for order, who in orders if who in keys]
    sent = [one for one in Delivery.objects.filter(status="sent") if lately(one.ended_at) and one.investor_id in keys]
    answers: dict[int, list] = {}
    for row in Consent.objects.filter(purpose="marketing").order_by("at"):
        answers.setdefault(row.investor_id, []).append(row)
    opted = [
        who
        for who, said in answers.items()
        if who in keys and not said[-1].is_given and lately(said[-1].at) and any(one.is_given for one in said)
    ]
    assets, idle = sum(row.assets_minor for row in rows), sum(row.idle_cash_minor for row in rows)
    asleep = {"dormant", "lost"}
    return {
        "people": n(lambda r: True),
        "new_30d": n(lambda r: lately(r.joined_date)),
        "active_30d": n(lambda r: lately(r.last_visit_at) or lately(r.last_decision_at)),
        "asleep": n(lambda r: r.dormancy in asleep),
        "asleep_idle_cash": n(lambda r: r.dormancy in asleep and r.idle_cash_minor >= 100_000),
        "woken_30d": float(len({row.investor_id for row in Reactivation.objects.all() if lately(row.date)} & keys)),
        "calm": n(lambda r: r.dormancy == "calm"),
        "assessed_share": ratio(n(lambda r: r.level is not None), len(rows)),
        "expiring_30d": n(lambda r: r.level_valid_until is not None and 0 <= (r.level_valid_until - today).days < 30),
        "unfinished": n(lambda r: r.has_draft_assessment),
        "waiting_proposals": n(lambda r: r.has_waiting_proposal),
        "mean_level": mean([row.level for row in rows]),
        "assets": float(assets),
        "mean_assets": ratio(assets, n(lambda r: r.assets_minor > 0)),
        "funded_share": ratio(n(lambda r: r.assets_minor > 0), len(rows)),
        "idle_cash": float(idle),
        "idle_share": ratio(idle, assets),
        "net_flow_90d": float(sum(row.net_flow_90d_minor for row in rows)),
        "value_365d": float(sum(row.value_365d_minor for row in rows)),
        "in_profit": mean([row.in_profit_share for row in rows]),
        "orders_30d": float(len(orders)),
        "deciders_30d": float(len({who for order, who in orders if order.origin != "plan"})),
        "plan_savers": n(lambda r: r.plan_status == "running"),
        "stopped_plans": n(lambda r: r.plan_status == "stopped"),
        "messages_30d": float(len(sent)),
        "open_rate_30d": ratio(sum(1 for one in sent if one.opened_at), len(sent)),
        "click_rate_30d": ratio(sum(1 for one in sent if one.clicked_at), len(sent)),
        "opt_outs_30d": float(len(opted)),
        "marketing_share": ratio(n(lambda r: r.consent_marketing), len(rows)),
        "profiling_share": ratio(n(lambda r: r.consent_profiling), len(rows)),
    }  # fmt: skip


def test_there_are_thirty_and_each_is_what_counting_by_hand_gives(world):
    expected = by_hand({one.pk for one in world})
    assert list(expected) == list(metrics()) and len(expected) == 30
    assert work_out(None) == {code: pytest.approx(value) for code, value in expected.items()}
    assert sum(1 for code, value in expected.items() if metrics()[code].unit == "people" and value == 0) == 0  # none passes by being empty


def test_each_is_the_same_of_a_segment(world):
    segment = Segment.objects.create(name="few", rule=FEW)
    keys = set(people_in(read_rule(FEW)).values_list("pk", flat=True))
    assert len(keys) == 12
    assert work_out(segment) == {code: pytest.approx(value) for code, value in by_hand(keys).items()}


def test_nobody_at_all_is_worked_out_as_well(db):
    values = work_out(None)
    assert values["people"] == 0 and values["assets"] == 0 and values["idle_share"] is None and values["mean_level"] is None


def test_the_segment_behind_a_metric_holds_whom_it_counts(world):
    values = work_out(None)
    linked = {code: rule for code in metrics() if (rule := rule_of(code))}
    assert len(linked) == 15
    for code, rule in linked.items():
        n = people_in(read_rule({"version": 1, "rule": rule})).count()
        if code not in {"assessed_share", "expiring_30d"}:  # rules read the investor's own level, which this world gives to nobody
            assert n == pytest.approx(values[code] * (48 if metrics()[code].unit == "share" else 1)), code


def test_all_metrics_cost_five_queries(world, django_assert_num_queries):
    segment = Segment.objects.create(name="few", rule=FEW)
    with django_assert_num_queries(5):
        work_out(None)
    with django_assert_num_queries(5):
        work_out(segment)


# ── nights ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_night_writes_every_audience_once_and_leaves_out_a_broken_one(world):
    Segment.objects.create(name="few", rule=FEW)
    Segment.objects.create(name="broken", rule={"version": 1, "rule": {"field": "gone", "is": True}})
    n_segments = Segment.objects.count()
    assert refresh_metrics() == refresh_metrics() == n_segments  # everybody, and all but the broken one
    assert MetricDay.objects.count() == 30 * n_segments and OverviewDay.objects.count() == n_segments


def test_a_reading_has_its_change_over_28_days_and_which_way_is_good(world):
    today = timezone.localdate()
    work_out_day(segment=None, on=today - timedelta(days=28))
    MetricDay.objects.filter(metric="asleep").update(value=12)
    MetricDay.objects.filter(metric="funded_share").update(value=0.5)
    work_out_day(segment=None, on=today)
    readings = {one.metric.code: one for one in latest_readings(None)}
    assert len(readings) == 30 and readings["asleep"].change == pytest.approx(1.0) and readings["asleep"].is_good is False
    assert readings["funded_share"].change == pytest.approx(round(38 / 48, 3) - 0.5) and readings["funded_share"].is_good is True
    assert readings["people"].change == 0 and readings["people"].is_good is None and readings["calm"].is_good is None
    assert [day for day, _value in history("people", None)] == [today - timedelta(days=28), today]


@pytest.mark.parametrize(
    ("code", "value", "n", "told"),
    [
        ("people", 9, 9, False),
        ("assets", 5e9, 9, False),
        ("asleep", 9, 500, False),
        ("asleep", 0, 500, True),
        ("asleep", 10, 500, True),
        ("orders_30d", 9, 500, False),
        ("assessed_share", 0.982, 500, False),
        ("assessed_share", 1.0, 500, True),
        ("assessed_share", 0.01, 500, False),
        ("assessed_share", 0.02, 500, True),
        ("idle_share", 0.001, 500, True),
        ("mean_level", None, 500, True),
    ],
)
def test_of_small_groups_nothing_is_told(code, value, n, told):
    assert is_told(metrics()[code], value, n, segment_id=1) is told


# ── alerts ───────────────────────────────────────────────────────────────────────────────────────────────────────
def night(value, day, code="asleep"):
    MetricDay.objects.create(metric=code, date=day, value=value, n_people=500)
    return check_alerts(on=day)


def test_an_alert_opens_once_closes_after_three_days_and_is_checked_once_a_day(people):
    day = timezone.localdate() - timedelta(days=20)
    alert = write_alert(metric="asleep", segment=None, kind="above", limit=100, author=people.mark)
    assert write_alert(metric="asleep", segment=None, kind="above", limit=100, author=people.mark) == alert
    changed = [night(value, day + timedelta(days=at)) for at, value in enumerate([90, 111, 99, 111, 99, 99, 111, 90, 90, 90, 90, 111])]
    assert changed == [0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]
    assert check_alerts(on=day + timedelta(days=11)) == 0
    events = list(MetricAlertEvent.objects.order_by("pk").values_list("kind", "date"))
    assert events == [("opened", day + timedelta(days=1)), ("closed", day + timedelta(days=9)), ("opened", day + timedelta(days=11))]


@pytest.mark.parametrize("rule", [None, FEW])
def test_an_alert_that_somebody_else_sets_at_the_same_moment_is_one(people, monkeypatch, rule):
    segment = rule and Segment.objects.create(name="few", rule=rule)
    same = {"metric": "asleep", "segment": segment, "kind": "above", "limit": 100}
    create, manager = MetricAlert.objects.create, type(MetricAlert.objects)

    def count(self):  # asked between the look and the write
        create(**same)
        return 1

    monkeypatch.setattr(manager, "count", count)
    alert = write_alert(**same, author=people.mark)
    monkeypatch.undo()
    assert list(MetricAlert.objects.all()) == [alert]


def test_a_movement_is_held_against_the_28_days_before(people):
    day = timezone.localdate() - timedelta(days=40)
    write_alert(metric="asleep", segment=None, kind="change", limit=0.2, author=people.mark)
    assert [night(value, day + timedelta(days=at)) for at, value in enumerate([*[100] * 11, 111, 150])] == [0] * 12 + [1]
    event = MetricAlertEvent.objects.get()
    assert event.value == 150 and event.usual == pytest.approx((100 * 11 + 110) / 12)


def test_a_group_that_is_too_small_opens_no_alert(people):
    segment = Segment.objects.create(name="few", rule=FEW)
    write_alert(metric="asleep", segment=segment, kind="below", limit=100, author=people.mark)
    today = timezone.localdate()
    MetricDay.objects.create(metric="asleep", segment=segment, date=today, value=3, n_people=500)
    assert check_alerts(on=today) == 0 and MetricAlert.objects.get().checked_date is None


@pytest.mark.parametrize("limit", range(115, 125))
def test_an_alert_sees_no_more_than_the_page(people, limit):
    """Ten alerts at neighbouring limits would else tell the exact number."""
    segment, day = Segment.objects.create(name="some", rule=FEW), timezone.localdate()
    alert = write_alert(metric="people", segment=segment, kind="above", limit=limit, author=people.mark)
    MetricDay.objects.create(metric="people", segment=segment, date=day, value=117, n_people=117)
    check_alerts(on=day)
    alert.refresh_from_db()
    assert (alert.state, alert.last_value) == ("open" if limit < 120 else "quiet", 120)


def test_a_deleted_segment_takes_its_alerts_and_days_with_it(people):
    segment = Segment.objects.create(name="few", rule=FEW)
    write_alert(metric="asleep", segment=segment, kind="below", limit=100, author=people.mark)
    work_out_day(segment=segment)
    segment.delete()
    assert not MetricAlert.objects.exists() and not MetricDay.objects.exists() and not OverviewDay.objects.exists()


def test_an_alert_is_set_seen_and_stopped_on_its_page(people, client):
    client.force_login(people.mark)
    url = reverse("metric_alert_new", args=["marketing_share"])
    client.post(url, {"kind": "below", "limit": "60"})
    client.post(url, {"kind": "below", "limit": "60"})
    alert = MetricAlert.objects.get()
    assert alert.limit == pytest.approx(0.6) and alert.author == people.mark
    assert client.post(url, {"kind": "sideways", "limit": "60"}).status_code == 422
    assert client.post(url, {"kind": "below", "limit": "nan"}).status_code == 422
    assert client.post(url, {"kind": "below", "limit": "60", "segment": "999"}).status_code == 200  # everybody is shown, nothing is saved
    assert client.post(reverse("metric_alert_new", args=["no_such"]), {"kind": "below", "limit": "1"}).status_code == 404
    assert MetricAlert.objects.count() == 1
    MetricAlert.objects.update(state="open", state_since=timezone.localdate(), last_value=0.42)
    home = client.get(reverse("marketing_home"))
    assert [row.alert for row in home.context["alerts"]] == [alert] and "42" in home.content.decode()
    client.post(reverse("metric_alert_seen", args=[alert.pk]))
    client.post(reverse("metric_alert_seen", args=[alert.pk]))
    assert client.get(reverse("marketing_home")).context["alerts"] == []
    assert MetricAlertEvent.objects.get().actor == people.mark
    client.post(reverse("metric_alert_stop", args=[alert.pk]))
    assert not MetricAlert.objects.exists()


def test_the_table_in_the_docs_is_that_of_the_catalogue():
    page = (Path(__file__).parents[2] / "docs" / "ask.md").read_text(encoding="utf-8")
    listed = [line for line in page.splitlines() if line.startswith("| ") and "(`" in line]
    expected = [
        f"| {one.en} (`{one.code}`) | {one.zh}：{one.meaning_zh} | {one.meaning_en} | {one.unit} | {one.good} | {one.source} |"
        for one in metrics().values()
    ]
    assert listed == expected


@pytest.mark.parametrize(
    ("code", "value", "of_segment", "of_everybody"),
    [
        ("people", 123, 120, 120),
        ("asleep", 9, None, None),
        ("assets", 123_456_789, 120_000_000, 123_456_789),
        ("assessed_share", 0.5171, 0.52, 0.517),
        ("mean_level", 2.81, 2.8, 2.81),
    ],
)
def test_people_are_told_in_tens_and_sums_of_a_segment_in_short(code, value, of_segment, of_everybody):
    assert told_value(metrics()[code], value, 123, segment_id=1) == of_segment
    assert told_value(metrics()[code], value, 123, segment_id=None) == of_everybody


def test_an_alert_tells_people_in_tens(db):
    segment = Segment.objects.create(name="some", rule={"version": 1, "rule": {"field": "n_holdings", "at_least": 0}})
    assert alert_row(MetricAlert(metric="people", kind="above", limit=100, last_value=123.0, segment=segment)).value == "120"
    assert alert_row(MetricAlert(metric="people", kind="above", limit=100, last_value=123.0)).value == "120"


@pytest.mark.parametrize(("language", "said"), [("en", "22.54 bn yuan"), ("zh-hans", "225.4 亿元")])
def test_a_bank_s_sum_of_money_fits_its_tile(language, said):
    with translation.override(language):
        assert value_words(metrics()["assets"], 2_254_012_345_678) == said
