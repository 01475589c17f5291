from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plotly.graph_objects import Figure

from portfolios.charts import MAX_POINTS, growth_figure, growth_rows, thinned
from portfolios.kernels.types import Growth

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
