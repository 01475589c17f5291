"""Screens as jobs: what they read, what they write, when they publish, and what a person's decision changes."""

from datetime import date, timedelta

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone, translation

from config.jobs import Job
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError
from portfolios.models import Fund, FundFact, FundSize, GradeChange, Pool, PoolDecision, PoolFund, ScreenRow, ScreenRun
from portfolios.selectors.screen_inputs import load_screen_inputs, public_until, yearly_cost
from portfolios.selectors.screen_words import screen_rules, why
from portfolios.selectors.screens import RowQuery, compare_runs, export_rows, find_rows, fund_verdict, screen_summary, verdict_of_fund
from portfolios.services import execute_screen, request_screen, screening
from tests.conftest import make_user
from tests.portfolios.screen_world import DATA_DATE, LAST_DAY, make_market, shuffle_prices_after, size

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def stored_market(django_db_setup, django_db_blocker):
    """The market is stored once a module: a hundredth of the time that each test would take for it."""
    with django_db_blocker.unblock():
        make_market()
    yield
    with django_db_blocker.unblock():
        for model in (ScreenRow, PoolFund, Pool, ScreenRun, Fund):
            model.objects.all().delete()


@pytest.fixture
def market(stored_market, db):
    return {fund.code: fund for fund in Fund.objects.all()}


def screened(day: date = DATA_DATE, **rules) -> ScreenRun:
    run = request_screen(data_date=day)
    run.versions["rules"]["screen"] |= rules
    run.save(update_fields=["versions"])
    assert execute_screen(run.pk)
    run.refresh_from_db()
    return run


def row_of(run: ScreenRun, fund: Fund) -> ScreenRow:
    return ScreenRow.objects.select_related("fund").get(run=run, fund=fund)


def rows_as_data(run: ScreenRun) -> list[tuple]:
    fields = ("fund__code", "gates", "sub_scores", "percentile", "rank_low", "rank_high", "verdict", "notes", "is_in", "peer_group")
    return list(run.rows.order_by("fund__code").values_list(*fields))


def test_a_screen_is_published_as_the_current_pool(market):
    old = Pool.objects.create(name="old", is_current=True)
    run = screened()
    assert run.status == Job.Status.DONE and run.outcome == ScreenRun.Outcome.PUBLISHED, run.shortage
    assert run.n_funds == len(market) == run.rows.count()
    pool = Pool.objects.get(is_current=True)
    assert pool.screen_run == run and pool.pk != old.pk
    assert set(pool.funds.values_list("pk", flat=True)) == set(run.rows.filter(is_in=True).values_list("fund_id", flat=True))
    assert 0.15 <= run.n_in / run.n_gated <= 0.25


def test_a_run_is_done_once(market):
    run = screened()
    before = rows_as_data(run)
    assert not execute_screen(run.pk)
    assert rows_as_data(run) == before
    assert Pool.objects.filter(screen_run=run).count() == 1


def test_the_same_day_gives_the_same_screen(market):
    assert rows_as_data(screened()) == rows_as_data(screened())


def test_a_run_that_died_is_taken_up_and_leaves_nothing_twice(market, monkeypatch):
    run = request_screen(data_date=DATA_DATE)
    monkeypatch.setattr(screening, "_point_to", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        execute_screen(run.pk)
    monkeypatch.undo()
    assert run.rows.count() == len(market)
    assert not Pool.objects.filter(is_current=True).exists()
    assert not execute_screen(run.pk), "its lease still runs"
    ScreenRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert execute_screen(run.pk)
    assert run.rows.count() == len(market)
    assert Pool.objects.get(is_current=True).screen_run == run


def test_a_worker_that_lost_its_claim_discards(market, monkeypatch):
    run = request_screen(data_date=DATA_DATE)
    write = screening._write_rows

    def then_lose(*given):
        wrote = write(*given)
        ScreenRun.objects.filter(pk=run.pk).update(claim=None)
        return wrote

    monkeypatch.setattr(screening, "_write_rows", then_lose)
    assert not execute_screen(run.pk)
    run.refresh_from_db()
    assert run.outcome == ScreenRun.Outcome.WORKING
    assert not Pool.objects.filter(is_current=True).exists()


def test_a_slow_worker_deletes_nothing_of_what_another_has_published_meanwhile(market, monkeypatch):
    run = request_screen(data_date=DATA_DATE)
    screen_market, is_slow = screening.screen_market, [True]

    def slowly(*given, **named):
        found = screen_market(*given, **named)
        if is_slow.pop() if is_slow else False:
            ScreenRun.objects.filter(pk=run.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
            assert execute_screen(run.pk), "another worker takes it up"
        return found

    monkeypatch.setattr(screening, "screen_market", slowly)
    assert not execute_screen(run.pk)
    assert run.rows.count() == len(market)
    run.refresh_from_db()
    assert run.outcome == ScreenRun.Outcome.PUBLISHED


def test_an_open_run_of_the_same_inputs_is_not_asked_for_twice(market):
    first = request_screen(data_date=DATA_DATE)
    assert request_screen(data_date=DATA_DATE) == first
    assert request_screen(data_date=DATA_DATE - timedelta(days=1)) != first
    with pytest.raises(DataError, match="data_date_in_future"):
        request_screen(data_date=timezone.localdate() + timedelta(days=1))


def test_prices_after_the_data_date_change_nothing(market):
    day = date(2024, 5, 31)
    before = rows_as_data(screened(day))
    later = rows_as_data(screened())
    assert shuffle_prices_after(public_until(day, 1)) == len(market)
    assert rows_as_data(screened(day)) == before
    assert rows_as_data(screened()) != later, "the shuffled prices are read by a later screen"


def test_a_price_from_overseas_is_public_a_day_later(market):
    fund = market["F00005"]
    Fund.objects.filter(pk=fund.pk).update(category="qdii", asset_class="overseas_equity")

    def read() -> list:
        inputs = load_screen_inputs(DATA_DATE, jurisdiction(), {})
        at = inputs.market.facts.codes.index(fund.code)
        return [part[..., at].tolist() for part in vars(inputs.market.record).values()]

    before = read()
    shuffle_prices_after(public_until(DATA_DATE, 2), of=fund)
    assert read() == before
    shuffle_prices_after(public_until(DATA_DATE, 3), of=fund)
    assert read() != before


def test_what_was_published_later_is_not_read(market):
    FundSize.objects.filter(fund=market["F00004"]).update(size_minor=500_000_000_00)
    before = rows_as_data(screened())
    tomorrow = DATA_DATE + timedelta(days=1)
    for code, kind in [("F00000", "purchase"), ("F00001", "liquidation_warning"), ("F00002", "manager"), ("F00003", "ended")]:
        FundFact.objects.create(fund=market[code], kind=kind, from_date=DATA_DATE, published_date=tomorrow, text="closed")
    FundSize.objects.filter(fund=market["F00004"], as_of_date=date(2024, 9, 30)).update(published_date=tomorrow)
    GradeChange.objects.create(fund=market["F00005"], from_grade=4, to_grade=5, own_grade=5, data_date=tomorrow)
    Fund.objects.filter(code="F00005").update(risk_grade=5)
    Fund.objects.filter(code="F00006").update(ended_on=tomorrow, is_open=False, size_minor=1, manager="new", daily_limit_minor=1)
    FundSize.objects.filter(fund=market["F00004"], as_of_date=date(2024, 9, 30)).update(size_minor=100)
    run = screened()
    assert rows_as_data(run) == before
    assert row_of(run, market["F00005"]).risk_grade == 4


def test_what_is_published_by_the_data_date_is_read(market):
    for code, kind, text, number in [
        ("F00000", "purchase", "closed", None), ("F00008", "purchase", "open", 50_000), ("F00001", "liquidation_warning", "", None),
        ("F00002", "manager", "new", None), ("F00003", "ended", "", None),
    ]:  # fmt: skip
        day = DATA_DATE - timedelta(days=3)
        FundFact.objects.create(fund=market[code], kind=kind, from_date=day, published_date=day, text=text, number=number)
    FundSize.objects.filter(fund=market["F00004"], as_of_date=date(2024, 3, 31)).update(size_minor=100)
    FundSize.objects.filter(fund=market["F00005"]).delete()
    run = screened()
    failed = {
        code: [gate["code"] for gate in row_of(run, market[code]).gates] for code in ("F00000", "F00008", "F00001", "F00002", "F00004")
    }
    assert failed == {
        "F00000": ["closed"], "F00008": ["limited"], "F00001": ["liquidation_warning"], "F00002": ["manager_new"], "F00004": ["too_small"],
    }  # fmt: skip
    assert [gate["code"] for gate in row_of(run, market["F00005"]).gates] == ["size_unknown"]
    assert not run.rows.filter(fund=market["F00003"]).exists(), "a dead fund is not screened"


def test_a_dead_fund_stays_in_the_averages_of_its_time(market):
    alive = load_screen_inputs(DATA_DATE, jurisdiction(), {})
    Fund.objects.filter(code="F00005").update(ended_on=DATA_DATE - timedelta(days=40))
    inputs = load_screen_inputs(DATA_DATE, jurisdiction(), {})
    assert len(inputs.market.facts.codes) == len(alive.market.facts.codes) - 1
    assert inputs.market.dead.record.month_values.shape[1] == 1
    assert np.isfinite(inputs.market.dead.record.month_values).all()


def test_a_size_counts_over_all_share_classes_and_the_cheapest_is_taken(market):
    pair = [market["F00004"], market["F00012"]]  # two mixed funds become classes of one
    Fund.objects.filter(pk__in=[fund.pk for fund in pair]).update(family_code="FAM", annual_fee_bps=100)
    Fund.objects.filter(pk=pair[0].pk).update(purchase_fee_bps=30)
    FundSize.objects.filter(fund__in=pair).update(size_minor=120_000_000_00)  # each too small alone
    size(pair[1], date(2024, 9, 15), 1.0).save()  # a size inside a quarter gives way to that of its end
    run = screened()
    dear, cheap = (row_of(run, fund) for fund in pair)
    assert dear.gates == [{"code": "cheaper_class", "fund": "F00012"}]
    assert cheap.gates == []
    assert "F00012" in why(dear, screen_rules(run))


def test_the_yearly_cost_spreads_what_is_paid_once():
    table = jurisdiction()
    fund = Fund(category="equity", annual_fee_bps=140, sales_fee_bps=60, purchase_fee_bps=80)
    assert yearly_cost(fund, table) == pytest.approx(0.014 + 0.006 / 3 + 0.008 / 3 + 0.005 / 3)
    assert yearly_cost(Fund(category="money", annual_fee_bps=30, sales_fee_bps=25, purchase_fee_bps=0), table) == pytest.approx(0.0055)


def test_a_pool_that_would_be_short_is_refused_and_the_old_one_stays(market):
    old = Pool.objects.create(name="old", is_current=True)
    Fund.objects.filter(category="bond").update(inception_date=DATA_DATE - timedelta(days=200))
    run = screened()
    assert run.outcome == ScreenRun.Outcome.REFUSED
    assert {"grade": 2, "what": "funds", "has": 0, "needs": 8} in run.shortage
    assert Pool.objects.get(is_current=True) == old
    assert run.rows.count() == len(market), "why each fund is in or out is kept all the same"
    assert "R2" in screen_summary(run).shortage


def test_a_screen_of_an_earlier_day_does_not_replace_a_later_pool(market):
    late = screened()
    early = screened(DATA_DATE - timedelta(days=30))
    assert early.outcome == ScreenRun.Outcome.PUBLISHED
    assert Pool.objects.get(is_current=True).screen_run == late


def decide(fund: Fund, kind: str, *, until: date | None = None, state: str = "approved") -> PoolDecision:
    asker, decider = make_user(f"asks-{fund.code}"), make_user(f"decides-{fund.code}")
    return PoolDecision.objects.create(
        fund=fund, kind=kind, reason="because", expires_date=until or timezone.localdate() + timedelta(days=30), state=state,
        asked_by=asker, decided_by=decider if state == "approved" else None, decided_at=timezone.now(),
    )  # fmt: skip


def test_people_put_funds_in_and_out_after_the_rule(market):
    plain = screened()
    first_in = plain.rows.filter(is_in=True).order_by("fund__code").first().fund
    ranked_out = list(plain.rows.filter(verdict="ranked_out").order_by("fund__code").select_related("fund")[:3])
    FundFact.objects.create(fund=ranked_out[1].fund, kind="purchase", from_date=DATA_DATE, published_date=DATA_DATE, text="closed")
    decide(first_in, "exclude")
    decide(ranked_out[0].fund, "include")
    decide(ranked_out[1].fund, "include")
    decide(ranked_out[2].fund, "include", state="waiting")
    run = screened()
    found = {row.fund_id: row for row in run.rows.select_related("fund")}
    assert found[first_in.pk].verdict == "manual_out" and not found[first_in.pk].is_in
    assert found[ranked_out[0].fund_id].verdict == "manual_in" and found[ranked_out[0].fund_id].is_in
    assert found[ranked_out[1].fund_id].verdict == "include_refused" and not found[ranked_out[1].fund_id].is_in
    assert found[ranked_out[2].fund_id].verdict == "ranked_out"
    members = set(run.pools.get().funds.values_list("pk", flat=True))
    assert ranked_out[0].fund_id in members and first_in.pk not in members
    rules = screen_rules(run)
    assert "closed for purchase" in why(found[ranked_out[1].fund_id], rules)
    assert "by hand" in why(found[first_in.pk], rules)


def test_a_decision_that_has_run_out_changes_nothing(market):
    plain = screened()
    first_in = plain.rows.filter(is_in=True).first().fund
    decide(first_in, "exclude", until=timezone.localdate() - timedelta(days=1))
    assert screened().rows.get(fund=first_in).is_in


def earlier_run(day: date, market: dict[str, Fund], **row) -> ScreenRun:
    """A published run of an earlier day whose rows all say the same."""
    run = ScreenRun.objects.create(data_date=day, rules_version="test", outcome="published", status="done", versions={})
    ScreenRow.objects.bulk_create(ScreenRow(run=run, fund=fund, risk_grade=3, **row) for fund in market.values())
    return run


def test_a_fund_leaves_after_two_quarters_below_and_not_after_two_runs(market):
    earlier_run(date(2024, 8, 30), market, verdict="stays", is_in=True, quarters_below=0)
    first = screened(date(2024, 10, 8), max_share=1.0)
    below = first.rows.filter(percentile__lt=0.6)
    assert set(below.values_list("verdict", "quarters_below")) <= {("stays_below", 1), ("company_full", 1)}
    same_quarter = screened(max_share=1.0)
    assert same_quarter.previous == first
    assert set(same_quarter.rows.filter(percentile__lt=0.6).values_list("quarters_below", flat=True)) == {1}
    assert not same_quarter.rows.filter(verdict="leaves").exists()


def test_a_fund_that_was_below_at_the_end_of_the_quarter_before_leaves(market):
    earlier_run(date(2024, 8, 30), market, verdict="stays_below", is_in=True, quarters_below=1)
    run = screened(max_share=1.0)
    assert set(run.rows.filter(percentile__lt=0.6).values_list("verdict", "quarters_below")) == {("leaves", 2)}
    assert set(run.rows.filter(percentile__gte=0.6).values_list("quarters_below", flat=True)) == {0}


def test_a_quarter_without_a_screen_breaks_the_count(market):
    earlier_run(date(2024, 5, 30), market, verdict="stays_below", is_in=True, quarters_below=1)
    run = screened(max_share=1.0)
    assert not run.rows.filter(verdict="leaves").exists()
    assert set(run.rows.filter(percentile__lt=0.6).values_list("quarters_below", flat=True)) == {1}


def test_a_category_holds_no_more_than_its_share_and_the_lowest_that_stay_leave_first(market):
    earlier_run(date(2024, 8, 30), market, verdict="stays", is_in=True)
    run = screened()
    assert run.n_in / run.n_gated <= 0.25
    full = run.rows.filter(verdict="pool_full")
    assert full.exists() and not full.filter(percentile__gte=0.8).exists()
    for category in ("bond", "equity"):
        rows = run.rows.filter(fund__category=category)
        highest_left = max(rows.filter(verdict="pool_full").values_list("percentile", flat=True))
        assert min(rows.filter(is_in=True).values_list("percentile", flat=True)) >= highest_left
    assert "rank higher" in why(full.select_related("fund").first(), screen_rules(run))


def test_what_people_put_in_is_not_in_by_the_rule_the_next_time(market):
    earlier_run(date(2024, 8, 30), market, verdict="manual_in", is_in=True)
    assert not screened().rows.filter(verdict__startswith="stays").exists()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_fund_has_a_reason_in_both_languages(market, language):
    Fund.objects.filter(code__in=["F00002", "F00010"]).update(inception_date=DATA_DATE - timedelta(days=400))
    FundSize.objects.filter(fund=market["F00004"]).update(size_minor=100)
    run = screened()
    rules = screen_rules(run)
    with translation.override(language):
        found = [fund_verdict(row, rules) for row in find_rows(run, RowQuery())]
    assert len(found) == len(market)
    for one in found:
        assert len(one.why) > 10 and "%(" not in one.why and one.verdict
        assert all("%(" not in text for text in [*one.gates, *one.notes])
        assert abs(sum(sub.weight for sub in one.sub_scores) - 1) < 1e-9


def test_the_read_models_agree_with_the_rows(market, django_assert_max_num_queries):
    first = screened()
    decide(market["F00001"], "exclude" if first.rows.get(fund=market["F00001"]).is_in else "include")
    second = screened()
    with django_assert_max_num_queries(5):
        summary = screen_summary(second)
    assert sum(n for _, _, n in summary.verdicts) == second.n_funds
    assert sum(group.n_in for group in summary.grades) == second.n_in == sum(group.n_in for group in summary.categories)
    assert summary.is_current
    with django_assert_max_num_queries(5):
        difference = compare_runs(first, second)
    changed = [change.fund.code for change in [*difference.entered, *difference.left]]
    assert changed == ["F00001"]
    with django_assert_max_num_queries(3):
        assert verdict_of_fund(market["F00001"], None).row.run_id == second.pk
    rows = list(export_rows(second))
    assert [row[0] for row in rows] == sorted(market)
    assert all(row[-1] for row in rows)
    assert set(find_rows(second, RowQuery(which="in", category="bond")).values_list("fund__category", "is_in")) == {("bond", True)}


def test_the_command_says_what_came_out(market, capsys):
    call_command("screen_market", date=DATA_DATE, here=True)
    assert "208 funds" in capsys.readouterr().out
    Fund.objects.filter(category="bond").update(is_open=False, inception_date=DATA_DATE)
    with pytest.raises(CommandError) as refused:
        call_command("screen_market", date=DATA_DATE, here=True)
    assert refused.value.returncode == 3 and "R2" in str(refused.value)


def test_the_command_without_prices_is_bad_input(db, stored_market):
    Fund.objects.all().delete()
    with pytest.raises(CommandError) as refused:
        call_command("screen_market")
    assert refused.value.returncode == 2
    with pytest.raises(CommandError) as refused:
        call_command("screen_market", date=DATA_DATE, here=True)
    assert refused.value.returncode == 2


def test_a_screen_is_due_once_a_month(market, time_machine):
    time_machine.move_to(f"{LAST_DAY.isoformat()}T14:00:00+08:00")
    run = screening.request_due_screen()
    assert run is not None and run.data_date == LAST_DAY
    assert screening.request_due_screen() is None
    time_machine.move_to("2024-11-03T14:00:00+08:00")
    assert screening.request_due_screen() is None
