"""BG/NBD and MBG/NBD: who has stopped deciding, from how often, how lately and for how long each was watched.

While alive, a customer repeats at a Poisson rate that is Gamma(r, alpha) over people; after each transaction they drop out
with a probability that is Beta(a, b) over people. BG/NBD lets nobody drop out before the first repeat, so whoever came once
is alive for ever; MBG/NBD lets them drop out at the first transaction too. Times are in one unit, that of alpha.

Sources: Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2); Fader & Hardie (2008),
Computing P(alive) using the BG/NBD model; Batislam, Denizel & Filiztekin (2007), IJRM 24(3); Hoppe & Wagner (2007), Marketing
JRM 3(2); Golub & Welsch (1969) for the quadrature.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.special import expit, gammaln, psi

from portfolios.kernels.errors import DataError, SolverError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Model = Literal["bgnbd", "mbgnbd"]
MODELS: tuple[Model, ...] = ("bgnbd", "mbgnbd")

MIN_CUSTOMERS = 10  # four numbers say how people differ; from fewer people nothing can be told
LOG_BOUND = 12.0  # of each parameter in scaled time: beyond it people do not differ, or nobody drops out
STARTS = ((0.0, 0.0, 0.0, 0.0), (-1.5, -1.0, -1.0, 1.0), (1.5, 1.0, -1.5, 0.5))
GOOD_GRADIENT = 1e-6  # a customer
MOST_NODES = 1_000
HESSIAN_STEP = 1e-4


@dataclass(frozen=True, slots=True)
class Histories:
    """Customers by their (frequency, recency, observed): distinct values, each row's place among them, customers a row.

    `frequency` counts repeat transactions, `recency` is the time from the first to the last one (0 without a repeat),
    `observed` the time from the first one to the end of the data.
    """

    x_values: Floats
    t_values: Floats
    end_values: Floats
    x_at: Ints
    t_at: Ints
    end_at: Ints
    n: Floats
    per_x: Floats  # customers with each frequency
    per_end: Floats  # and with each time watched
    x_per_end: Floats  # repeats of those with each time watched

    @property
    def n_customers(self) -> int:
        return int(self.n.sum())

    @property
    def frequency(self) -> Floats:
        return self.x_values[self.x_at]

    @property
    def recency(self) -> Floats:
        return self.t_values[self.t_at]

    @property
    def observed(self) -> Floats:
        return self.end_values[self.end_at]


@dataclass(frozen=True, slots=True)
class Parameters:
    """The four numbers, of one of the two models; alpha in the unit of time of the data."""

    r: float
    alpha: float
    a: float
    b: float
    model: Model = "bgnbd"


@dataclass(frozen=True, slots=True)
class Fit:
    """The maximum of the likelihood. Standard errors are NaN for what the data do not tell; `at_bound` names such parameters."""

    parameters: Parameters
    log_likelihood: float
    standard_errors: dict[str, float]
    n_customers: int
    n_groups: int
    at_bound: tuple[str, ...]
    n_evaluations: int


NAMES = ("r", "alpha", "a", "b")


def check_histories(frequency: Any, recency: Any, observed: Any) -> tuple[Floats, Floats, Floats]:
    """Return the three columns as float64 arrays of one length.

    Raises DataError, with the `row` from 0: `history_not_finite`, `history_negative`, `history_frequency_not_whole`,
    `history_repeat_without_recency`, `history_recency_without_repeat`, `history_recency_beyond_end`; mend that row.
    """
    x, t, end = (np.asarray(column, dtype=np.float64).ravel() for column in (frequency, recency, observed))
    if not len(x) == len(t) == len(end):
        raise DataError("history_lengths_differ", frequency=len(x), recency=len(t), observed=len(end))
    with np.errstate(invalid="ignore"):
        wrong = {
            "history_not_finite": ~(np.isfinite(x) & np.isfinite(t) & np.isfinite(end)),
            "history_negative": (x < 0) | (t < 0) | (end < 0),
            "history_frequency_not_whole": x != np.round(x),
            "history_repeat_without_recency": (x > 0) & (t == 0),
            "history_recency_without_repeat": (x == 0) & (t > 0),
            "history_recency_beyond_end": t > end * (1 + 1e-9),
        }
    for code, rows in wrong.items():
        if rows.any():
            at = int(np.argmax(rows))
            raise DataError(code, row=at, frequency=float(x[at]), recency=float(t[at]), observed=float(end[at]))
    return x, np.minimum(t, end), end


def group(frequency: Any, recency: Any, observed: Any) -> tuple[Histories, Ints]:
    """Group customers with the same history; returns the groups and each customer's place among them.

    Raises DataError as check_histories does. The likelihood of the groups is that of the customers.
    """
    x, t, end = check_histories(frequency, recency, observed)
    (x_values, x_at), (t_values, t_at), (end_values, end_at) = (np.unique(column, return_inverse=True) for column in (x, t, end))
    if len(x_values) * len(t_values) * max(1, len(end_values)) >= 2**62:
        raise DataError("history_too_varied", n=len(x))
    key = (x_at.astype(np.int64) * len(t_values) + t_at) * len(end_values) + end_at
    keys, place, n = np.unique(key, return_inverse=True, return_counts=True)
    rest, by_end = np.divmod(keys, max(1, len(end_values)))
    by_x, by_t = np.divmod(rest, max(1, len(t_values)))
    weight = n.astype(np.float64)
    return (
        Histories(
            x_values, t_values, end_values, by_x, by_t, by_end, weight,
            per_x=_sums(by_x, weight, len(x_values)),
            per_end=_sums(by_end, weight, len(end_values)),
            x_per_end=_sums(by_end, weight * x_values[by_x], len(end_values)),
        ),
        place,
    )  # fmt: skip


def _sums(at: Ints, weights: Floats, n: int) -> Floats:
    return np.bincount(at, weights=weights, minlength=n).astype(np.float64)


def log_likelihood(parameters: Parameters, of: Histories) -> tuple[float, Floats]:
    """Return the log-likelihood of all customers and its gradient by (r, alpha, a, b), both in closed form, in log space."""
    r, alpha, a, b = parameters.r, parameters.alpha, parameters.a, parameters.b
    extra = 1.0 if parameters.model == "mbgnbd" else 0.0  # chances to drop out beyond the repeats
    x, per_x = of.x_values, of.per_x
    drawn = psi(a + b) - psi(a + b + x + extra)
    log_end, by_end = np.log(alpha + of.end_values), 1 / (alpha + of.end_values)
    repeats = r * of.per_end + of.x_per_end
    alive = per_x @ (
        gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        + gammaln(a + b) - gammaln(a + b + x + extra) + gammaln(b + x + extra) - gammaln(b)
    ) - repeats @ log_end  # fmt: skip
    gradient = np.array(
        [
            per_x @ (psi(r + x) - psi(r) + np.log(alpha)) - of.per_end @ log_end,
            per_x.sum() * r / alpha - repeats @ by_end,
            per_x @ drawn,
            per_x @ (drawn + psi(b + x + extra) - psi(b)),
        ]
    )
    gone, by_drop_out = _dropped_out(parameters, of, log_end, by_end)
    return float(alive + gone), gradient + by_drop_out


def _dropped_out(parameters: Parameters, of: Histories, log_end: Floats, by_end: Floats) -> tuple[float, Floats]:
    """What the customers who may have dropped out add: log(1 + odds of being gone), summed, and its gradient."""
    extra = 1.0 if parameters.model == "mbgnbd" else 0.0
    first = 0 if extra else int(np.searchsorted(of.x_at, np.searchsorted(of.x_values, 0.5)))  # rows stand by frequency
    x_at, t_at, end_at, n = of.x_at[first:], of.t_at[first:], of.end_at[first:], of.n[first:]
    chances = parameters.b + of.x_values + extra - 1
    possible = (of.x_values > 0) | bool(extra)
    chances = np.where(possible, chances, 1.0)
    k = (parameters.r + of.x_values)[x_at]
    silence = log_end[end_at] - np.log(parameters.alpha + of.t_values)[t_at]
    odds = (np.log(parameters.a) - np.log(chances))[x_at] + k * silence
    small = np.exp(-np.abs(odds))
    gone = n * np.where(odds > 0, 1.0, small) / (1 + small)
    per_x = _sums(x_at, gone, len(chances))
    k *= gone
    by_alpha = _sums(end_at, k, len(by_end)) @ by_end
    by_alpha -= _sums(t_at, k, len(of.t_values)) @ (1 / (parameters.alpha + of.t_values))
    gradient = np.array([gone @ silence, by_alpha, per_x.sum() / parameters.a, -(per_x @ (possible / chances))])
    return float(n @ (np.maximum(odds, 0.0) + np.log1p(small))), gradient


def fit(of: Histories, model: Model = "bgnbd") -> Fit:
    """Return the maximum of the likelihood over the four parameters, found in their logarithms.

    Raises DataError: `histories_too_few` (at least 10 customers), `histories_without_repeat` (nobody came twice),
    `histories_not_watched` (nobody was watched for any time): wait for more data; SolverError where no start converges.
    """
    from scipy.optimize import minimize  # the web process scores and never fits

    if of.n_customers < MIN_CUSTOMERS:
        raise DataError("histories_too_few", n=of.n_customers, least=MIN_CUSTOMERS)
    if not (of.end_values > 0).any():
        raise DataError("histories_not_watched", n=of.n_customers)
    if not (of.x_values > 0).any():
        raise DataError("histories_without_repeat", n=of.n_customers)
    unit = float(of.n @ of.observed / of.n.sum())
    scaled = replace(of, t_values=of.t_values / unit, end_values=of.end_values / unit)
    best: Any = None
    n_evaluations = 0
    for start in STARTS:
        found = minimize(
            _loss, start, args=(scaled, model), jac=True, method="L-BFGS-B", bounds=[(-LOG_BOUND, LOG_BOUND)] * 4,
            options={"maxiter": 1000, "ftol": 1e-15, "gtol": GOOD_GRADIENT / 100, "maxcor": 20},
        )  # fmt: skip
        n_evaluations += found.nfev
        if np.isfinite(found.fun) and (best is None or found.fun < best.fun):
            best = found
        if best is not None and _is_flat(best.x, best.jac):
            break
    if best is None or not (_is_flat(best.x, best.jac) or np.abs(best.jac).max() < 100 * GOOD_GRADIENT):
        raise SolverError("histories_fit_failed", n=of.n_customers)
    r, alpha, a, b = (float(value) for value in np.exp(best.x))
    at_bound = tuple(name for name, value in zip(NAMES, best.x, strict=True) if abs(value) > LOG_BOUND - 0.5)
    parameters = Parameters(r, alpha * unit, a, b, model)
    value, _ = log_likelihood(parameters, of)
    return Fit(parameters, value, _standard_errors(parameters, of), of.n_customers, len(of.n), at_bound, n_evaluations)


def _loss(logs: Floats, of: Histories, model: Model) -> tuple[float, Floats]:
    """Minus the mean log-likelihood and its gradient by the logarithms of the parameters."""
    values = np.exp(logs)
    r, alpha, a, b = values.tolist()
    value, gradient = log_likelihood(Parameters(r, alpha, a, b, model), of)
    n = of.n.sum()
    return -value / n, -gradient * values / n


def _is_flat(logs: Floats, gradient: Floats) -> bool:
    """Whether nothing pulls further: a parameter at its bound may be pulled outwards."""
    outwards = (np.abs(logs) > LOG_BOUND - 1e-6) & (gradient * np.sign(logs) < 0)
    return bool(np.abs(np.where(outwards, 0.0, gradient)).max() < GOOD_GRADIENT)


def _standard_errors(parameters: Parameters, of: Histories) -> dict[str, float]:
    """From the curvature in the logarithms, by differences of the gradient; NaN where the likelihood is not curved."""
    logs, n = np.log([parameters.r, parameters.alpha, parameters.a, parameters.b]), of.n.sum()
    curvature = np.empty((4, 4))
    for i in range(4):
        step = np.zeros(4)
        step[i] = HESSIAN_STEP
        (_, above), (_, below) = _loss(logs + step, of, parameters.model), _loss(logs - step, of, parameters.model)
        curvature[i] = n * (above - below) / (2 * HESSIAN_STEP)
    curvature = (curvature + curvature.T) / 2
    # A likelihood that is all but flat in a direction gives the inverse of rounding errors.
    eigenvalues = np.linalg.eigvalsh(curvature)
    if not np.isfinite(curvature).all() or eigenvalues[0] <= 1e-9 * eigenvalues[-1] or eigenvalues[0] <= 0:
        return dict.fromkeys(NAMES, float("nan"))
    spread = np.exp(logs) * np.sqrt(np.diag(np.linalg.inv(curvature)))
    return dict(zip(NAMES, spread.tolist(), strict=True))


def p_alive(parameters: Parameters, frequency: Any, recency: Any, observed: Any) -> Floats:
    """Return each customer's probability of not having dropped out by the end of the data, in [0, 1]."""
    x, t, end = check_histories(frequency, recency, observed)
    could_drop = x > 0
    chances = np.where(could_drop, parameters.b + x - 1, 1.0)
    if parameters.model == "mbgnbd":
        could_drop, chances = np.ones_like(x, dtype=bool), parameters.b + x
    odds = np.log(parameters.a) - np.log(chances) + (parameters.r + x) * (np.log(parameters.alpha + end) - np.log(parameters.alpha + t))
    return np.where(could_drop, expit(-odds), 1.0)


def expected_transactions(parameters: Parameters, frequency: Any, recency: Any, observed: Any, horizon: float) -> Floats:
    """Return the transactions expected of each customer within `horizon` after the end of the data.

    The published formula has a Gauss hypergeometric function that overflows for frequent customers and is 0/0 at a = 1.
    This is the integral it stands for: P(alive) times the mean over the chance p to drop out, which is Beta(a, b + x) for
    who is alive (one more chance survived in MBG/NBD), of (1 - (1 + p h / (alpha + T))^-(r + x)) / p, by Gauss-Jacobi
    quadrature, one rule a frequency. Agrees with the formula to 1e-9 where that can be evaluated.
    """
    if not (np.isfinite(horizon) and horizon >= 0):
        raise DataError("horizon_not_a_length", horizon=horizon)
    alive = p_alive(parameters, frequency, recency, observed)
    x, _, end = check_histories(frequency, recency, observed)
    rules = np.unique(x)
    order, waits = np.empty_like(x), horizon / (parameters.alpha + end)
    for value in rules.tolist():
        rows = np.flatnonzero(x == value) if len(rules) > 1 else slice(None)
        distinct, place = np.unique(waits[rows], return_inverse=True)
        order[rows] = _while_alive(parameters, value, distinct)[place]
    return alive * order


def _while_alive(parameters: Parameters, x: float, waits: Floats) -> Floats:
    """Transactions expected of who is alive and has repeated x times, for each wait h / (alpha + T)."""
    survived = x + 1 if parameters.model == "mbgnbd" else x
    # The integrand's pole at -1 / wait decides how fast the rule converges: this many nodes leave errors of rounding only.
    n = min(MOST_NODES, 16 + int(10 * np.sqrt(waits.max(initial=0.0))))
    nodes, weights = beta_quadrature(parameters.a, parameters.b + survived, n)
    k = parameters.r + x
    total = np.zeros_like(waits)
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        total -= weight / node * np.expm1(-k * np.log1p(node * waits))
    return total


def beta_quadrature(a: float, b: float, n: int) -> tuple[Floats, Floats]:
    """Return n nodes in (0, 1) and weights adding up to 1: exact means under Beta(a, b) of polynomials up to degree 2n - 1.

    Golub and Welsch (1969) with the Jacobi recurrence written for [0, 1], where nothing cancels when b is large.
    """
    s, i = a + b - 2.0, np.arange(1, n, dtype=np.float64)
    middle = np.concatenate([[a / (a + b)], (2 * i * (i + s + 1) + s * a) / ((2 * i + s) * (2 * i + s + 2))])
    j = i[1:]
    beside = (b * a) / ((2 + s) ** 2 * (3 + s))
    rest = j * (j + b - 1) * (j + a - 1) * (j + s) / ((2 * j + s) ** 2 * (2 * j + s + 1) * (2 * j + s - 1))
    nodes, vectors = eigh_tridiagonal(middle, np.sqrt(np.concatenate([[beside], rest])))
    return np.maximum(nodes, np.finfo(float).tiny), vectors[0] ** 2


def p_any(parameters: Parameters, frequency: Any, recency: Any, observed: Any, horizon: float) -> Floats:
    """Return the probability of at least one transaction within `horizon` after the end of the data."""
    alive = p_alive(parameters, frequency, recency, observed)
    x, _, end = check_histories(frequency, recency, observed)
    return -alive * np.expm1(-(parameters.r + x) * np.log1p(horizon / (parameters.alpha + end)))


def expected_from_first(parameters: Parameters, times: Any) -> Floats:
    """Return the repeats expected of a new customer within each time after the first transaction."""
    waits = np.asarray(times, dtype=np.float64) / parameters.alpha
    alive = parameters.b / (parameters.a + parameters.b) if parameters.model == "mbgnbd" else 1.0
    return alive * _while_alive(parameters, 0.0, waits)


def rhythm(parameters: Parameters, frequency: Any, recency: Any) -> Floats:
    """Return the usual time between two transactions: each customer's own, drawn towards everybody's the fewer there were.

    (alpha + recency) / (r + frequency): one over the mean of the rate given what was seen up to the last transaction.
    """
    x, t = np.asarray(frequency, dtype=np.float64), np.asarray(recency, dtype=np.float64)
    return (parameters.alpha + t) / (parameters.r + x)


def simulate(parameters: Parameters, observed: Any, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Return (frequency, recency, observed) of customers who live by the model, one for each length in `observed`."""
    end = np.asarray(observed, dtype=np.float64)
    n = len(end)
    rate = rng.gamma(parameters.r, 1 / parameters.alpha, n)
    drop = rng.beta(parameters.a, parameters.b, n)
    frequency, recency, now = np.zeros(n), np.zeros(n), np.zeros(n)
    at = np.arange(n)
    if parameters.model == "mbgnbd":
        at = at[rng.random(n) >= drop]
    while len(at):
        now[at] += rng.exponential(1 / np.maximum(rate[at], 1e-300))
        at = at[now[at] <= end[at]]
        frequency[at] += 1
        recency[at] = now[at]
        at = at[rng.random(len(at)) >= drop[at]]
    return frequency, recency, end
