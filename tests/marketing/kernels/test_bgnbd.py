"""BG/NBD and MBG/NBD: the published figures, the formula in other hands, properties, and input that is wrong or thin."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import beta as beta_function
from scipy.special import betaln, gammaln, hyp2f1

from marketing.kernels.bgnbd import (
    MODELS,
    NAMES,
    Parameters,
    beta_quadrature,
    expected_from_first,
    expected_transactions,
    fit,
    group,
    log_likelihood,
    p_alive,
    p_any,
    rhythm,
    simulate,
)
from portfolios.kernels.errors import DataError

PAPER = Parameters(0.243, 4.414, 0.793, 2.426)  # Fader, Hardie & Lee (2005), section 5
sizes = st.floats(0.05, 20)
some_parameters = st.builds(Parameters, sizes, sizes, sizes, sizes, st.sampled_from(MODELS))


@st.composite
def histories(draw):
    x = draw(st.integers(0, 60))
    end = draw(st.floats(0.5, 200))
    return x, end * draw(st.floats(0.01, 1)) if x else 0.0, end


def people(n=3_000, seed=5, parameters=PAPER):
    rng = np.random.default_rng(seed)
    x, t, end = simulate(parameters, np.ceil(rng.uniform(1, 80, n)), rng)
    return x, np.ceil(t), end


def plain_log_likelihood(parameters, x, t, end):
    """As the paper's note writes it, customer by customer."""
    r, alpha, a, b = parameters.r, parameters.alpha, parameters.a, parameters.b
    head = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    watched = (alpha + end) ** -(r + x)
    if parameters.model == "mbgnbd":
        left = betaln(a, b + x + 1) - betaln(a, b)
        return head + np.log(np.exp(left) * watched + beta_function(a + 1, b + x) / beta_function(a, b) * (alpha + t) ** -(r + x))
    alive = beta_function(a, b + x) / beta_function(a, b) * watched
    gone = np.where(x > 0, beta_function(a + 1, b + np.maximum(x, 1) - 1) / beta_function(a, b) * (alpha + t) ** -(r + x), 0)
    return head + np.log(alive + gone)


@pytest.mark.parametrize("model", MODELS)
def test_the_likelihood_is_the_one_that_was_published(model):
    x, t, end = people(300)
    for r, alpha, a, b in [(0.24, 4.4, 0.8, 2.4), (1.5, 0.7, 0.3, 0.9), (3.0, 20.0, 4.0, 1.1)]:
        parameters = Parameters(r, alpha, a, b, model)
        value, _ = log_likelihood(parameters, group(x, t, end)[0])
        assert value == pytest.approx(plain_log_likelihood(parameters, x, t, end).sum(), rel=1e-10)


@pytest.mark.parametrize("model", MODELS)
def test_the_gradient_is_that_of_the_likelihood(model):
    of, _ = group(*people(500))
    point = np.array([0.4, 5.0, 0.7, 1.9])
    _, gradient = log_likelihood(Parameters(*point, model), of)
    for i, step in enumerate(np.eye(4) * 1e-5):
        above, below = (log_likelihood(Parameters(*(point + sign * step), model), of)[0] for sign in (1, -1))
        assert gradient[i] == pytest.approx((above - below) / 2e-5, rel=1e-5, abs=1e-3)


def test_grouped_customers_have_the_likelihood_of_single_ones():
    x, t, end = people(2_000)
    of, place = group(x, t, end)
    assert len(of.n) < 1_200 and of.n_customers == 2_000
    assert (of.frequency[place] == x).all() and (of.recency[place] == t).all() and (of.observed[place] == end).all()
    apart = sum(log_likelihood(PAPER, group([x[i]], [t[i]], [end[i]])[0])[0] for i in range(2_000))
    assert log_likelihood(PAPER, of)[0] == pytest.approx(apart, rel=1e-11)


@pytest.mark.parametrize("model", MODELS)
def test_a_fit_finds_the_numbers_that_people_live_by(model):
    true = Parameters(0.6, 6.0, 0.8, 2.0, model)
    rng = np.random.default_rng(3)
    x, t, end = simulate(true, rng.uniform(10, 80, 20_000), rng)
    found = fit(group(x, t, end)[0], model)
    for name in NAMES:
        error = abs(getattr(found.parameters, name) - getattr(true, name))
        assert error < 4 * found.standard_errors[name], name
    assert found.at_bound == () and found.log_likelihood >= log_likelihood(true, group(x, t, end)[0])[0]


def test_a_fit_does_not_depend_on_the_unit_of_time():
    x, t, end = people(2_000)
    weeks, days = fit(group(x, t, end)[0]).parameters, fit(group(x, t * 7, end * 7)[0]).parameters
    assert (days.r, days.alpha / 7, days.a, days.b) == pytest.approx((weeks.r, weeks.alpha, weeks.a, weeks.b), rel=1e-3)


def test_nobody_drops_out_is_said_and_has_no_standard_error():
    rng = np.random.default_rng(1)
    end = np.full(400, 50.0)
    x = rng.poisson(10, 400).astype(float)
    t = np.where(x > 0, end, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit(group(x, t, end)[0])
    assert "a" in found.at_bound or "b" in found.at_bound
    assert (p_alive(found.parameters, x, t, end) > 0.99).all()


def test_the_example_of_the_paper():
    # Customer 1 of the CDNOW sample bought twice more, the last time after 30.43 of 38.86 weeks; 39 weeks ahead.
    assert expected_transactions(PAPER, [2], [30.43], [38.86], 39)[0] == pytest.approx(1.226, abs=0.001)
    assert p_alive(PAPER, [2], [30.43], [38.86])[0] == pytest.approx(0.7266, abs=0.0005)


@pytest.mark.parametrize("model", MODELS)
def test_expected_transactions_are_the_published_formula_where_it_can_be_evaluated(model):
    parameters = Parameters(0.243, 4.414, 0.793, 2.426, model)
    x, t, end = people(400)
    shift = 1 if model == "mbgnbd" else 0
    r, alpha, a, b = parameters.r, parameters.alpha, parameters.a, parameters.b + shift
    ratio = (alpha + end) / (alpha + end + 39)
    inner = (a + b + x - 1) / (a - 1) * (1 - ratio ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, 39 / (alpha + end + 39)))
    expected = inner * p_alive(parameters, x, t, end)
    assert expected_transactions(parameters, x, t, end, 39) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("r", "alpha", "a", "b", "x", "end", "horizon"),
    [
        (0.24, 4.4, 1.0, 2.4, 3, 30.0, 39.0),  # 0/0 in the formula
        (0.24, 4.4, 0.4, 0.6, 0, 30.0, 39.0),  # a pole of the formula
        (0.5, 10.0, 0.7, 2.0, 2_000, 400.0, 52.0),  # overflows there
        (0.2, 0.05, 0.8, 2.0, 0, 0.0, 39.0),  # a horizon of hundreds of times what was watched
        (5.0, 1.0, 0.05, 8.0, 40, 60.0, 520.0),
    ],
)
def test_expected_transactions_are_the_integral_where_the_formula_fails(r, alpha, a, b, x, end, horizon):
    parameters = Parameters(r, alpha, a, b)
    waits, k = horizon / (alpha + end), r + x

    def at(p):
        return -np.expm1(-k * np.log1p(p * waits)) / p if p else k * waits

    edge = min(0.5, 20 * (a + 1) / (a + b + x))
    near, _ = quad(lambda q: at(q ** (1 / a)) * (1 - q ** (1 / a)) ** (b + x - 1) / a, 0, edge**a, epsrel=1e-11, limit=400)
    far, _ = quad(lambda p: at(p) * p ** (a - 1) * (1 - p) ** (b + x - 1), edge, 1, epsrel=1e-11, limit=400)
    exact = (near + far) * np.exp(-betaln(a, b + x)) * p_alive(parameters, [x], [end if x else 0], [end])[0]
    assert expected_transactions(parameters, [x], [end if x else 0], [end], horizon)[0] == pytest.approx(exact, rel=1e-8)


def test_the_quadrature_has_the_moments_of_the_beta():
    for a, b in [(0.3, 0.6), (1.0, 1.0), (0.8, 5_000.0)]:
        nodes, weights = beta_quadrature(a, b, 12)
        assert weights.sum() == pytest.approx(1) and weights @ nodes == pytest.approx(a / (a + b))
        assert weights @ nodes**5 == pytest.approx(np.exp(betaln(a + 5, b) - betaln(a, b)), rel=1e-9)


def test_what_is_expected_comes_about_among_simulated_people():
    rng = np.random.default_rng(8)
    for model in MODELS:
        parameters = Parameters(0.6, 6.0, 0.8, 2.0, model)
        end = np.full(60_000, 30.0)
        state = rng.bit_generator.state
        later = simulate(parameters, end + 20, rng)
        assert later[0].mean() == pytest.approx(expected_from_first(parameters, [50.0])[0], rel=0.03)
        rng.bit_generator.state = state
        early = simulate(parameters, end, rng)
        assert early[0].mean() == pytest.approx(expected_from_first(parameters, [30.0])[0], rel=0.03)
        # The expectation of all who come, and of those who were watched for a while, agree over people.
        ahead = expected_transactions(parameters, *early, 20.0).mean()
        assert ahead + early[0].mean() == pytest.approx(expected_from_first(parameters, [50.0])[0], rel=0.03)


@settings(max_examples=150, deadline=None)
@given(some_parameters, histories(), st.floats(0, 500))
def test_probabilities_and_expectations_stay_in_their_range(parameters, history, horizon):
    x, t, end = history
    alive, one = p_alive(parameters, [x], [t], [end])[0], p_any(parameters, [x], [t], [end], horizon)[0]
    expected = expected_transactions(parameters, [x], [t], [end], horizon)[0]
    assert 0 <= one <= alive <= 1
    assert np.isfinite(expected) and expected >= one - 1e-9
    assert expected <= (parameters.r + x) * horizon / (parameters.alpha + end) * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(some_parameters, histories(), st.floats(0.1, 100))
def test_longer_silence_makes_life_less_likely(parameters, history, longer):
    x, t, end = history
    now, later = p_alive(parameters, [x, x], [t, t], [end, end + longer])
    assert later <= now + 1e-12
    if x == 0 and parameters.model == "bgnbd":
        assert now == later == 1  # the flaw that MBG/NBD mends


@settings(max_examples=100, deadline=None)
@given(some_parameters, histories())
def test_with_the_same_numbers_mbg_expects_more_survived_chances(parameters, history):
    r, alpha, a, b = parameters.r, parameters.alpha, parameters.a, parameters.b
    x, t, end = history
    # MBG/NBD gives every customer one chance more to drop out: the odds of BG/NBD with b one higher, but for those who came once.
    mbg, bg = (p_alive(Parameters(r, alpha, a, b + shift, model), [x], [t], [end])[0] for model, shift in (("mbgnbd", 0), ("bgnbd", 1)))
    assert mbg == pytest.approx(bg) if x else mbg < 1 == bg


def test_the_rhythm_is_one_s_own_the_more_was_seen():
    assert rhythm(PAPER, [0], [0])[0] == pytest.approx(PAPER.alpha / PAPER.r)
    often = rhythm(PAPER, [50, 50], [100.0, 200.0])
    assert often == pytest.approx([2, 4], rel=0.05)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ((float("nan"), 0, 5), "history_not_finite"),
        ((1, 1, float("inf")), "history_not_finite"),
        ((-1, 0, 5), "history_negative"),
        ((1, 2, -5), "history_negative"),
        ((1.5, 2, 5), "history_frequency_not_whole"),
        ((2, 0, 5), "history_repeat_without_recency"),
        ((0, 3, 5), "history_recency_without_repeat"),
        ((2, 6, 5), "history_recency_beyond_end"),
        ((1, 1, 0), "history_recency_beyond_end"),
    ],
)
def test_wrong_rows_are_refused_by_name_and_place(row, code):
    columns = np.array([(1.0, 2.0, 5.0), (0.0, 0.0, 5.0), row]).T
    for call in (lambda: group(*columns), lambda: p_alive(PAPER, *columns), lambda: expected_transactions(PAPER, *columns, 39)):
        with pytest.raises(DataError) as error:
            call()
        assert (error.value.code, error.value.params["row"]) == (code, 2)


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        (([], [], []), "histories_too_few"),
        (([1], [2], [5]), "histories_too_few"),
        (([0] * 50, [0] * 50, [5] * 50), "histories_without_repeat"),
        (([0] * 50, [0] * 50, [0] * 50), "histories_not_watched"),
        (([0] * 50, [0] * 50, [5] * 49), "history_lengths_differ"),
    ],
)
def test_data_that_are_too_thin_are_refused(columns, code):
    with pytest.raises(DataError) as error:
        fit(group(*columns)[0])
    assert error.value.code == code


def test_who_was_not_watched_yet_changes_nothing():
    x, t, end = people(1_000)
    nobody = np.zeros(200)
    for model in MODELS:
        parameters = Parameters(0.3, 4.0, 0.7, 2.0, model)
        without = log_likelihood(parameters, group(x, t, end)[0])[0]
        columns = [np.concatenate([column, nobody]) for column in (x, t, end)]
        assert log_likelihood(parameters, group(*columns)[0])[0] == pytest.approx(without, rel=1e-12)


def test_a_horizon_is_a_length_of_time():
    for horizon in (-1, float("nan"), float("inf")):
        with pytest.raises(DataError):
            expected_transactions(PAPER, [1], [1], [2], horizon)
    assert expected_transactions(PAPER, [1], [1], [2], 0).tolist() == [0]
