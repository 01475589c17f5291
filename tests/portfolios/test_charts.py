from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plotly.graph_objects import Figure

from portfolios.charts import (
    MAX_POINTS,
    growth_figure,
    growth_rows,
    rolling_figure,
    rolling_rows,
    score_figure,
    style_figure,
    thinned,
)
from portfolios.charts.fund import MOST_DAYS, wrapped
from portfolios.kernels.types import Growth
from portfolios.models import ScreenRow
from portfolios.selectors.fund_figures import RollingYear, Style, StyleShare
from portfolios.selectors.screens import FundVerdict, SubScore

START = date(2020, 1, 1).toordinal()


def make_growth(returns) -> Growth:
    growth = np.cumprod(np.concatenate([[1.0], 1 + np.asarray(returns)]))
    return Growth(START + np.arange(len(growth)), growth, growth / np.maximum.accumulate(growth) - 1)


@given(st.integers(0, 10_000), st.integers(1, 4_000))
def test_thinning_keeps_the_ends_the_extremes_and_the_deepest_fall(seed, n_days):
    whole = make_growth(np.random.default_rng(seed).normal(0, 0.02, n_days))
    few = thinned(whole)
    assert len(few.dates) <= MAX_POINTS
    assert (np.diff(few.dates) > 0).all()
    assert (few.dates[0], few.dates[-1]) == (whole.dates[0], whole.dates[-1])
    assert few.drawdown.min() == whole.drawdown.min()
    assert (few.growth.min(), few.growth.max()) == (whole.growth.min(), whole.growth.max())
    deepest = few.drawdown.argmin()
    assert few.growth[deepest] / few.growth[: deepest + 1].max() - 1 == pytest.approx(whole.drawdown.min())


def test_the_figure_is_one_that_plotly_accepts_with_two_panels_on_one_time_axis():
    figure = growth_figure(make_growth(np.full(2_000, 0.0003)), name="Fund", asset_class="bond")
    Figure(figure)
    growth, drawdown = figure["data"]
    assert growth["x"] == drawdown["x"] and growth["y"][0] == 10_000
    assert figure["layout"]["xaxis"]["anchor"] == "y2"
    assert figure["layout"]["yaxis2"]["domain"][1] < figure["layout"]["yaxis"]["domain"][0]
    assert not any("color" in str(trace) for trace in figure["data"])  # colours are the template's


def test_the_table_holds_each_years_end_and_the_last_day():
    rows = growth_rows(make_growth([0.1, -0.5, *np.zeros(400)]))
    assert [row["day"] for row in rows] == [date(2020, 12, 31), date(2021, 2, 6)]
    assert [row["value_minor"] for row in rows] == [550_000, 550_000]
    assert [row["deepest"] for row in rows] == [pytest.approx(-0.5), pytest.approx(-0.5)]


@given(st.integers(0, 10_000), st.integers(1, 3_000))
def test_the_chart_of_every_twelve_months_keeps_its_ends_its_lowest_and_its_highest(seed, n_days):
    rolling = RollingYear(START + np.arange(n_days), np.random.default_rng(seed).normal(0, 0.2, n_days))
    figure = rolling_figure(rolling, "bond")
    Figure(figure)
    (line,) = figure["data"]
    assert len(line["x"]) <= MOST_DAYS + 2
    assert (line["x"][0], line["x"][-1]) == tuple(date.fromordinal(int(rolling.dates[at])).isoformat() for at in (0, -1))
    assert (min(line["y"]), max(line["y"])) == pytest.approx((rolling.lowest, rolling.highest), abs=1e-4)


def test_twelve_months_are_tabled_at_the_end_of_each_half_year_and_on_the_last_day():
    rolling = RollingYear(START + np.arange(400), np.arange(400) / 1e4)
    rows = rolling_rows(rolling)
    assert [row["day"] for row in rows] == [date(2021, 2, 3), date(2020, 12, 31), date(2020, 6, 30)]
    assert rows[0]["value"] == pytest.approx(0.0399)


def test_a_style_is_bars_in_the_colours_of_their_classes_with_marks_for_before():
    shares = [StyleShare("bond", "Bonds", 0.62, 0.1), StyleShare("equity", "Shares", 0.38, 0.9), StyleShare("gold", "Gold", 0.0, 0.0)]
    figure = style_figure(Style(shares, 0.9, date(2025, 1, 1), date(2026, 1, 1)))
    Figure(figure)
    bars, marks = figure["data"]
    assert (bars["y"], bars["x"], bars["meta"]) == (["Bonds", "Shares"], [0.62, 0.38], {"asset_class": ["bond", "equity"]})
    assert marks["x"] == [0.1, 0.9]
    young = style_figure(Style([StyleShare("bond", "Bonds", 1.0, None)], 0.9, date(2025, 1, 1), date(2026, 1, 1)))
    assert len(young["data"]) == 1 and not young["layout"]["showlegend"]


def make_verdict(*, low=0.35, high=0.91) -> FundVerdict:
    row = ScreenRow(percentile=0.87, rank_low=low, rank_high=high)
    scores = [
        SubScore("cost", "cost", 0.15, 0.5),
        SubScore("mrar", "return for its risk", 0.25, 0.85),
        SubScore("tenure", "tenure", 0.05, None),
    ]
    return FundVerdict(row, "in", "", "Shares", [], scores, [])


def test_a_rank_is_a_point_in_its_interval_above_its_parts_the_heaviest_first():
    figure = score_figure(make_verdict(), 0.8)
    Figure(figure)
    point, needed, bars = figure["data"]
    assert (point["x"], needed["x"]) == ([0.87], [0.8])
    assert (point["error_x"]["arrayminus"], point["error_x"]["array"]) == ([0.52], [0.04])
    assert bars["x"] == [0.85, 0.5]  # one that is left out has no bar
    assert figure["layout"]["yaxis"]["categoryarray"] == [point["y"][0], "Return for its risk", "Cost"]


def test_a_rank_without_an_interval_has_none_drawn():
    assert "error_x" not in score_figure(make_verdict(low=None, high=None), 0.8)["data"][0]


@pytest.mark.parametrize("name", ["steadiness of what it earned above its category", "所得超过同类平均的稳定程度以及其他", "a"])
def test_names_of_bars_fit_a_phone(name):
    lines = wrapped(name).split("<br>")
    assert all(len(line) <= (22 if name.isascii() else 11) for line in lines)
    assert "".join(lines).lower().replace(" ", "") == name.replace(" ", "")
