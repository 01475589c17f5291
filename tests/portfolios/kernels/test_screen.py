"""The screen as a whole: gates, what a score is made of, who enters, stays and leaves, and what a pool lacks."""

from dataclasses import replace

import numpy as np
import pytest

from portfolios.kernels.errors import DataError
from portfolios.kernels.market_record import Record
from portfolios.kernels.pool_rule import decide, hand_verdict, shortage
from portfolios.kernels.screen import screen_market
from portfolios.kernels.screen_types import DeadFunds, FundFacts, MarketData, Screened
from tests.portfolios.kernels.small_market import CATEGORIES, GRID, RULES, facts, indices, market, nobody, record

N = 280


@pytest.fixture(scope="module")
def data() -> MarketData:
    return market(N)


@pytest.fixture(scope="module")
def found(data) -> Screened:
    return screen_market(data, RULES, seed=1)


def failed(outcome: Screened, fund: int) -> list[str]:
    return [gate.code for gate in outcome.gates if gate.fails[fund]]


def changed(data: MarketData, fund: int, **values) -> MarketData:
    """The market with facts of one fund changed."""
    columns = {}
    for name, value in values.items():
        column = np.array(getattr(data.facts, name), dtype=object if isinstance(value, str) else None)
        column[..., fund] = value
        columns[name] = column.astype(np.str_) if isinstance(value, str) else column
    return replace(data, facts=replace(data.facts, **columns))


def test_a_market_without_faults_passes_and_a_fifth_is_in(data, found):
    assert found.passes.all()
    assert 0.15 <= found.is_in.sum() / found.passes.sum() <= 0.25
    for category in CATEGORIES:
        mine = data.facts.category == category
        assert found.ranking.percentile[mine].mean() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("closed", {"is_open": False}),
        ("liquidation_warning", {"is_warned": True}),
        ("too_young", {"months": 35}),
        ("size_unknown", {"sizes": np.nan}),
        ("too_small", {"sizes": [3e8, 1.9e8, 3e8, 3e8]}),
        ("too_large", {"sizes": [3e8, 3e8, 3e8, 101e8]}),
        ("manager_unknown", {"manager_months": np.nan}),
        ("manager_new", {"manager_months": 23.0}),
        ("limited", {"daily_limit": 999.0}),
    ],
)
def test_each_gate_stops_a_fund_and_only_it(data, code, values):
    fund = int(np.flatnonzero(data.facts.category == "mixed")[0])
    outcome = screen_market(changed(data, fund, **values), RULES, seed=1)
    assert failed(outcome, fund) == [code]
    assert outcome.verdict[fund] == "gated" and np.isnan(outcome.ranking.percentile[fund])
    assert outcome.passes.sum() == N - 1


@pytest.mark.parametrize(("code", "values"), [("too_young", {"months": 36}), ("limited", {"daily_limit": 1000.0})])
def test_a_fund_on_the_edge_of_a_gate_passes(data, code, values):
    fund = int(np.flatnonzero(data.facts.category == "mixed")[0])
    assert screen_market(changed(data, fund, **values), RULES, seed=1).passes[fund]


def test_index_funds_need_a_year_and_no_manager_and_large_money_funds_no_ceiling(data):
    index, money = (int(np.flatnonzero(data.facts.category == name)[0]) for name in ("index", "money"))
    outcome = screen_market(changed(data, index, months=12, manager_months=1.0), RULES, seed=1)
    assert outcome.passes[index]
    assert not screen_market(changed(data, index, months=11), RULES, seed=1).passes[index]
    assert screen_market(changed(data, money, sizes=9e11), RULES, seed=1).passes[money]


def with_prices(data: MarketData, fund: int, months=None, weeks=None) -> MarketData:
    month_values, week_values = np.array(data.record.month_values), np.array(data.record.week_values)
    if months is not None:
        month_values[months, fund] = np.nan
    if weeks is not None:
        week_values[weeks, fund] = np.nan
    return replace(data, record=replace(data.record, month_values=month_values, week_values=week_values))


def test_a_fund_without_a_recent_price_or_with_missing_months_is_stopped(data):
    fund = int(np.flatnonzero(data.facts.category == "bond")[0])
    assert failed(screen_market(with_prices(data, fund, weeks=[-1]), RULES, seed=1), fund) == ["not_priced"]
    assert failed(screen_market(with_prices(data, fund, months=[-20]), RULES, seed=1), fund) == ["record_broken"]
    assert failed(screen_market(with_prices(data, fund, months=[10]), RULES, seed=1), fund) == []


def test_a_fund_that_turned_into_another_class_fails_the_gate_of_style(data):
    fund, share = (int(np.flatnonzero(data.facts.category == name)[0]) for name in ("bond", "equity"))
    weeks = np.array(data.record.week_values)
    weeks[-53:, fund] = weeks[-53, fund] * weeks[-53:, share] / weeks[-53, share]
    outcome = screen_market(replace(data, record=replace(data.record, week_values=weeks)), RULES, seed=1)
    assert failed(outcome, fund) == ["style_break"]


def test_of_a_family_the_cheapest_class_that_passes_all_else_is_ranked(data):
    mixed = np.flatnonzero(data.facts.category == "mixed")[:3]
    family, cost, codes = np.array(data.facts.family), np.array(data.facts.cost), data.facts.codes
    family[mixed], cost[mixed] = "FAM", [0.010, 0.008, 0.006]
    both = replace(data, facts=replace(data.facts, family=family, cost=cost))
    outcome = screen_market(both, RULES, seed=1)
    assert [failed(outcome, fund) for fund in mixed] == [["cheaper_class"], ["cheaper_class"], []]
    gate = next(gate for gate in outcome.gates if gate.code == "cheaper_class")
    assert gate.figures["fund"][mixed[0]] == codes[mixed[2]]
    closed = screen_market(changed(both, int(mixed[2]), is_open=False), RULES, seed=1)
    assert [failed(closed, fund) for fund in mixed] == [["cheaper_class"], [], ["closed"]]
    cost[mixed] = 0.01
    equal = screen_market(replace(data, facts=replace(data.facts, family=family, cost=cost)), RULES, seed=1)
    assert [failed(equal, fund) for fund in mixed] == [[], ["cheaper_class"], ["cheaper_class"]], "the first code of equals"


def test_the_score_is_the_weighted_sum_of_the_sub_scores(data, found):
    for kind in ("active", "index", "money"):
        mine = data.facts.kind == kind
        total = sum(weight * found.ranking.sub_scores[name][mine] for name, weight in RULES.weights[kind].items())
        np.testing.assert_allclose(found.ranking.score[mine], total)


def test_a_short_history_draws_the_score_to_the_middle(data, found):
    months = data.facts.months
    expected = 0.5 + (found.ranking.score - 0.5) * months / (months + 36)
    np.testing.assert_allclose(found.ranking.shrunk, expected)


def test_what_a_history_is_too_short_for_is_left_out_and_said(data):
    fund = int(np.flatnonzero(data.facts.category == "equity")[0])
    young = with_prices(data, fund, months=slice(0, 24), weeks=slice(0, 60))
    outcome = screen_market(changed(young, fund, months=36), RULES, seed=1)
    assert outcome.passes[fund]
    assert np.isnan(outcome.ranking.sub_scores["style_stability"][fund])
    assert {"code": "three_years_only"} in outcome.ranking.notes[fund]
    assert {"code": "left_out", "names": ["style_stability"]} in outcome.ranking.notes[fund]
    known = {name: weight for name, weight in RULES.weights["active"].items() if name != "style_stability"}
    total = sum(weight * outcome.ranking.sub_scores[name][fund] for name, weight in known.items()) / 0.9
    assert outcome.ranking.score[fund] == pytest.approx(total)


def test_a_category_with_too_few_peers_is_ranked_in_its_class_and_its_peers_stay_by_themselves():
    names = np.array(["equity"] * 40 + ["sector"] * 30)
    data = market(70, categories=("equity",))
    few = np.array(["theme"] * 8 + ["equity"] * 62)
    data = replace(data, facts=replace(data.facts, category=few))
    alone = replace(data, facts=replace(data.facts, category=names))
    outcome = screen_market(data, RULES, seed=1)
    assert set(outcome.ranking.peer_group[:8]) == {"equity"} and set(outcome.ranking.n_peers[:8]) == {70}
    said = {"code": "ranked_in_class", "group": "equity", "n_peers": 70, "needs": 20}
    assert said in outcome.ranking.notes[0] and said not in outcome.ranking.notes[20]
    assert outcome.ranking.n_peers[20] == 62 and outcome.ranking.percentile[8:].mean() == pytest.approx(0.5)
    assert screen_market(alone, RULES, seed=1).ranking.n_peers[0] == 40


def test_better_skill_brings_a_better_rank():
    names, skills, days, values = indices(400, skill=0.10, categories=("equity",))
    outcome = screen_market(MarketData(facts(names), record(days, values), nobody()), RULES, seed=1)
    assert np.corrcoef(skills, outcome.ranking.percentile)[0, 1] > 0.5


def test_the_interval_holds_the_rank_and_a_seed_repeats_it(data, found):
    ranking = found.ranking
    known = np.isfinite(ranking.percentile)
    assert (ranking.rank_low[known] <= ranking.percentile[known]).all() and (ranking.percentile[known] <= ranking.rank_high[known]).all()
    assert (ranking.rank_high - ranking.rank_low)[data.facts.category == "equity"].mean() > 0.1
    again = screen_market(data, RULES, seed=1).ranking
    np.testing.assert_array_equal(ranking.rank_low, again.rank_low)
    assert not np.array_equal(ranking.rank_low, screen_market(data, RULES, seed=2).ranking.rank_low)


def test_a_fund_that_fails_a_gate_is_nobodys_peer_but_keeps_its_sub_scores(data):
    mine = np.flatnonzero(data.facts.category == "equity")
    outcome = screen_market(changed(data, int(mine[0]), is_open=False), RULES, seed=1)
    assert set(outcome.ranking.n_peers[mine]) == {len(mine) - 1}
    assert np.isnan(outcome.ranking.percentile[mine[0]])
    assert outcome.ranking.percentile[mine[1:]].mean() == pytest.approx(0.5)
    assert 0 <= outcome.ranking.sub_scores["cost"][mine[0]] <= 1


def test_4433_is_a_comparison_by_returns_alone(data, found):
    values = data.record.month_values
    for fund in np.flatnonzero(found.passes_4433 == 1):
        peers = data.facts.category == data.facts.category[fund]
        for months, share in ((12, 0.75), (24, 0.75), (36, 0.75), (60, 0.75), (6, 2 / 3), (3, 2 / 3)):
            grown = values[-1, peers] / values[-1 - months, peers]
            assert (grown <= values[-1, fund] / values[-1 - months, fund]).mean() >= share - 1e-9
    young = screen_market(with_prices(data, 5, months=slice(0, 20)), RULES, seed=1)
    assert np.isnan(young.passes_4433[5])


@pytest.mark.parametrize("n", [1, 3, 15, 60])
def test_a_patchy_market_of_any_size_gives_ranks_or_none(n):
    rng, whole = np.random.default_rng(n), market(n, seed=n)
    months, weeks = np.array(whole.record.month_values), np.array(whole.record.week_values)
    for fund in np.flatnonzero(rng.random(n) < 0.5):
        born = int(rng.integers(60))
        months[:born, fund], weeks[: 2 * born, fund] = np.nan, np.nan
    months[rng.random(months.shape) < 0.02] = np.nan
    weeks[rng.random(weeks.shape) < 0.02] = np.nan
    patchy = replace(
        whole.facts,
        is_open=rng.random(n) < 0.7,
        retail_share=np.where(rng.random(n) < 0.5, np.nan, 0.3),
        manager_months=np.where(rng.random(n) < 0.3, np.nan, 50.0),
    )
    record = replace(whole.record, month_values=months, week_values=weeks)
    outcome = screen_market(replace(whole, facts=patchy, record=record), RULES, seed=1)
    p = outcome.ranking.percentile
    assert np.isnan(p[~outcome.passes]).all() and ((p >= 0) & (p <= 1))[outcome.passes].all()
    assert not (outcome.is_in & ~outcome.passes).any()


# --- who enters, stays and leaves ----------------------------------------------------------------------------------


def some_facts(n: int, **values) -> FundFacts:
    return facts(np.array(["equity"] * n), **({"company": np.array([f"C{i}" for i in range(n)])} | values))


def verdicts(percentile, rules=None, **values) -> list[str]:
    many = some_facts(len(percentile), **values)
    return decide(many, np.ones(len(percentile), bool), np.array(percentile), rules or replace(RULES, max_share=1.0))[0].tolist()


def test_a_fund_enters_at_the_upper_line_and_leaves_below_the_lower_one():
    p = [0.80, 0.79, 0.60, 0.59, 0.59, 0.59]
    was_in = np.array([False, False, True, True, True, False])
    below = np.array([0, 0, 3, 0, 1, 1])
    assert verdicts(p, was_in=was_in, quarters_below=below) == ["enters", "ranked_out", "stays", "stays_below", "leaves", "ranked_out"]


def test_at_most_three_of_a_company_and_category_are_in_the_best_first_then_by_code():
    company = np.array(["A"] * 5 + ["B"])
    assert verdicts([0.9, 0.95, 0.9, 0.9, 0.99, 0.8], company=company) == [
        "enters", "enters", "company_full", "company_full", "enters", "enters",
    ]  # fmt: skip
    assert "company_full" not in verdicts([0.9] * 5, company=np.array([""] * 5)), "an unknown company is nobody's"
    two = replace(some_facts(6, company=np.array(["A"] * 6)), category=np.array(["equity"] * 3 + ["sector"] * 3))
    assert set(decide(two, np.ones(6, bool), np.full(6, 0.9), replace(RULES, max_share=1.0))[0]) == {"enters"}


def test_a_full_category_lets_the_lowest_that_only_stay_go():
    p = np.linspace(0.05, 0.95, 10)
    found = verdicts(p, RULES, was_in=np.ones(10, bool))
    assert found[-2:] == ["stays", "stays"] and found[6:8] == ["pool_full", "pool_full"]
    assert verdicts([0.85, 0.9, 0.95], RULES) == ["enters"] * 3, "who is above the entering line is never sent away"


def test_an_include_by_hand_never_opens_what_cannot_be_bought():
    assert hand_verdict("ranked_out", "include", False) == "manual_in"
    assert hand_verdict("gated", "include", True) == "include_refused"
    assert hand_verdict("stays", "include", False) == "stays"
    assert hand_verdict("enters", "exclude", False) == "manual_out"
    assert hand_verdict("gated", "exclude", False) == "gated"


def test_a_pool_names_everything_it_lacks():
    grades = [1] * 8 + [2] * 8 + [3] * 5 + [4] * 5 + [5] * 5
    money = [True] * 3 + [False] * 28
    companies = [f"C{i % 3}" for i in range(31)]
    assert shortage(grades, money, companies, RULES) == []
    assert shortage(grades[1:], money[1:], companies[1:], RULES) == [
        {"grade": 1, "what": "funds", "has": 7, "needs": 8},
        {"grade": 1, "what": "money_funds", "has": 2, "needs": 3},
    ]
    lacks = shortage(grades, money, ["One"] * 16 + companies[16:], RULES)
    assert lacks == [{"grade": grade, "what": "companies", "has": 1, "needs": 3} for grade in (1, 2)]
    assert len(shortage([], [], [], RULES)) == 11


def test_weights_that_do_not_add_up_and_facts_of_another_shape_are_refused(data):
    with pytest.raises(DataError, match="screen_weights_not_one"):
        replace(RULES, weights={**RULES.weights, "money": {"cost": 0.9}})
    with pytest.raises(DataError, match="screen_shape"):
        replace(data.facts, cost=data.facts.cost[1:])
    with pytest.raises(DataError, match="screen_codes_not_sorted"):
        replace(data.facts, codes=data.facts.codes[::-1])


@pytest.mark.parametrize(("max_share", "least", "most"), [(0.25, 0.15, 0.25), (1.0, 0.25, 0.40)])
def test_quarter_after_quarter_the_pool_outgrows_its_share_unless_it_is_held(max_share, least, most):
    rng, n, rules = np.random.default_rng(5), 1000, replace(RULES, max_share=max_share)
    quality, was_in, below = rng.standard_normal(n), np.zeros(n, bool), np.zeros(n, np.int64)
    for _ in range(16):
        quality = 0.97 * quality + np.sqrt(1 - 0.97**2) * rng.standard_normal(n)
        percentile = (np.argsort(np.argsort(quality)) + 0.5) / n
        verdict, below = decide(some_facts(n, was_in=was_in, quarters_below=below), np.ones(n, bool), percentile, rules)
        was_in = np.isin(verdict, ("enters", "stays", "stays_below"))
    assert least <= was_in.mean() <= most


# --- survivorship --------------------------------------------------------------------------------------------------


def year_after(names, days, values, ended: np.ndarray, *, knows_the_dead: bool) -> float:
    """Mean return of the pool in the year after a screen, of all funds or of those alone that are alive at its end."""
    day = GRID.last_day
    kept = np.arange(len(names)) if knows_the_dead else np.flatnonzero(ended > days[-1])
    living = kept[ended[kept] > day]
    gone = kept[ended[kept] <= day]
    sampled = record(days[days <= day], np.where(days[:, None] < ended, values, np.nan)[days <= day])
    dead = DeadFunds(names[gone], np.array([CATEGORIES[name][0] for name in names[gone]]), sampled.pick(gone))
    data = MarketData(facts(names[living]), Record(*vars(sampled).values()).pick(living), dead)
    pool = living[screen_market(data, replace(RULES, n_bootstrap=2), seed=1).is_in]
    start = int(np.searchsorted(days, day))
    last = np.minimum(np.searchsorted(days, ended[pool]) - 1, len(days) - 1)
    return float((values[last, pool] / values[start, pool]).mean() - 1)


def test_leaving_out_the_dead_makes_the_pool_look_better():
    gains = []
    for seed in range(6):
        names, _, days, values = indices(210, seed=seed, categories=("equity", "mixed", "sector"))
        rng = np.random.default_rng(seed)
        days = days + 261  # the last year lies after the screen
        dies = rng.random(210) < 0.15
        ended = np.where(dies, GRID.last_day + rng.integers(60, 250, 210), days[-1] + 1)
        falling = np.clip((days[:, None] - (ended - 180)) / 180, 0, None) * dies
        values = values * np.exp(-0.3 * falling)
        whole, survivors = (year_after(names, days, values, ended, knows_the_dead=known) for known in (True, False))
        gains.append(survivors - whole)
    assert np.mean(gains) > 0.005 and np.mean(np.array(gains) > 0) >= 5 / 6
