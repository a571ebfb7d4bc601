"""Counts that rise: what each series should show, how far it is, and what deserves an eye.

Everything works on a panel, series × periods, with no loop over series. `detect` is the whole way:

1. `fit`: a quasi-Poisson model with the calendar of France, ridge, outbreaks of the past counting
   little, over-dispersion corrected for what that weighting hides;
2. `surprise`: −log10 of the mid-p of a count under the negative binomial predicted for it;
3. three questions: a peak (this period, helped by the one before), a slow rise (sums over the last
   periods), a level shift (the same sums without their most extreme period, up or down);
4. scores brought to what each family of series shows when quiet, then Benjamini-Hochberg over all
   the series of a period; what goes on being high is not news again.

`eears` is the published reference of epitweetr, for users who prefer it. Pure functions, float64,
no chance drawn: the same counts give the same answer, period by period or all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, gammaln
from scipy.stats import nbinom
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

VERSION = "comptes-1"

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Times = NDArray[np.datetime64]

LARGEST = 1e9  # beyond, a count is a fault of the source; exp() and sums stay exact below
CEILING = 50.0  # of a surprise: nobody needs to know more than « une chance sur 10⁵⁰ »
BELIEF = 1000  # times what is usual (ten at least): beyond, a fault of the source
LN10 = np.log(10)

REASONS = {
    "ok": "Série jugée normalement.",
    "trop_courte": "Série trop courte : pas assez de passé pour dire ce qui est habituel.",
    "absente": "Aucune valeur sur la période jugée : la source n'a rien envoyé.",
    "vide": "Série toujours nulle : aucun passé à comparer, un premier signalement se verra.",
    "invalide": "Valeurs négatives ou manquantes écartées ; le reste est jugé.",
    "demesuree": "Valeur démesurée, mille fois l'habitude : vérifier la source avant d'y croire.",
    "doublons": "Plusieurs valeurs pour une même période : la plus grande est gardée.",
    "lacunaire": "Longue interruption dans le passé : l'habitude est estimée sur le reste.",
}


@dataclass(frozen=True)
class Rhythm:
    """How series of one step live: their calendar, how much past they use, when they are re-fitted.

    Fits are anchored on the calendar (every `refit` periods since 1970), so a past replayed period
    by period gives what one run gives.
    """

    unit: str  # numpy's: W, D or h
    exclude: int  # newest periods kept out of the baseline: a slow rise must not teach the model
    refit: int
    memory: int
    minimum: int  # periods of past below which nothing is said
    quiet: int  # periods scored before the first one asked, to learn what quiet looks like
    windows: tuple[int, ...]  # of slow rises
    shift: int  # window of a level shift
    hold: int  # periods during which an open alarm is not news
    recent: int  # periods that tell the present level, for series that move in waves; 0: none
    year: float = 365.2425  # days
    carry: float = 0.45
    carry_from: float = 0.3
    carry_cap: float = 1.5


SEMAINE = Rhythm("W", 6, 4, 620, 26, 20, (2, 4), 6, 3, 0)
JOUR = Rhythm("D", 14, 7, 1100, 28, 28, (3, 7), 14, 7, 7)
HEURE = Rhythm("h", 48, 24, 1344, 72, 96, (3, 6, 12), 24, 24, 24)
RHYTHMS = {"semaine": SEMAINE, "jour": JOUR, "heure": HEURE}


# --- calendar ---------------------------------------------------------------------------------


def easter(year: NDArray[np.int64]) -> Times:
    """Return Easter Sundays (Gauss, Gregorian)."""
    a, b, c = year % 19, year // 100, year % 100
    h = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    k = (32 + 2 * (b % 4) + 2 * (c // 4) - h - c % 4) % 7
    n = h + k - 7 * ((a + 11 * h + 22 * k) // 451) + 114
    months = (year - 1970) * 12 + n // 31 - 1
    return months.astype("datetime64[M]").astype("datetime64[D]") + (n % 31).astype(
        "timedelta64[D]"
    )


def holidays(first: int, last: int, alsace_moselle: bool = False) -> Times:
    """Return the bank holidays of France from year `first` to year `last`, sorted."""
    years = np.arange(first, last + 1)
    fixed = ["01-01", "05-01", "05-08", "07-14", "08-15", "11-01", "11-11", "12-25"]
    moved = [1, 39, 50]  # Easter Monday, Ascension, Whit Monday
    if alsace_moselle:
        fixed, moved = [*fixed, "12-26"], [*moved, -2]
    days = [np.array([f"{y:04d}-{day}" for y in years], "datetime64[D]") for day in fixed]
    return np.sort(np.concatenate(days + [easter(years) + np.timedelta64(d, "D") for d in moved]))


def clock_changes(first: int, last: int) -> tuple[Times, Times]:
    """Return the last Sundays of March and of October (Europe, since 1996)."""
    years = np.arange(first - 1970, last - 1970 + 1)

    def last_sunday(month: int) -> Times:
        end = (years * 12 + month).astype("datetime64[M]").astype("datetime64[D]") - 1
        return end - ((end.astype(np.int64) + 4) % 7).astype("timedelta64[D]")

    return last_sunday(3), last_sunday(10)


def _years(times: Times) -> tuple[int, int]:
    years = times.astype("datetime64[Y]").astype(np.int64) + 1970
    return int(years.min()) - 1, int(years.max()) + 1


def paris(times: Times) -> Times:
    """Return UTC hours as the clock of Paris shows them."""
    utc = times.astype("datetime64[h]")
    spring, autumn = (days.astype("datetime64[h]") + 1 for days in clock_changes(*_years(utc)))
    changes = np.searchsorted(np.sort(np.r_[spring, autumn]), utc, side="right")
    return utc + np.where(changes % 2 == 1, 2, 1).astype("timedelta64[h]")


def exposure(times: Times, unit: str) -> Floats:
    """Return how long each period lasts, one being usual: 23 or 25 hours on clock-change days."""
    if unit != "D":
        return np.ones(len(times))
    spring, autumn = clock_changes(*_years(times))
    days = times.astype("datetime64[D]")
    return 1 + (np.isin(days, autumn).astype(float) - np.isin(days, spring)) / 24


def design(
    times: Times, origin: np.datetime64, rhythm: Rhythm, bank: Times | None = None
) -> tuple[Floats, Floats, Floats]:
    """Return the columns of the model at `times`, their ridge, and the past (days) each one needs.

    A column whose need a series has not lived through yet is kept at zero for this series.
    """
    local = paris(times) if rhythm.unit == "h" else times
    days = local.astype("datetime64[D]")
    number = days.astype(np.int64)
    since = (times - origin) / np.timedelta64(1, "D")
    columns: list[tuple[ArrayLike, float, float]] = [(np.ones(len(times)), 0.0, 0.0)]
    columns.append((since / (5 * rhythm.year), 4.0, 56.0 if rhythm.unit != "h" else 28.0))

    def waves(turns: ArrayLike, count: int, ridge: float, need: float, of: ArrayLike = 1.0) -> None:
        for k in range(1, count + 1):
            angle = 2 * np.pi * k * np.asarray(turns)
            columns.append((np.cos(angle) * of, ridge, need))
            columns.append((np.sin(angle) * of, ridge, need))

    if rhythm.unit != "h":
        waves(since / rhythm.year, 2, 1.0, 1.5 * rhythm.year)
    if rhythm.unit == "W":
        return _columns(columns)
    bank = holidays(*_years(days)) if bank is None else bank
    weekday = (number + 3) % 7
    closed = np.isin(days, bank)
    before = days - np.where(weekday == 0, 3, 1).astype("timedelta64[D]")
    columns += [(weekday == k, 0.05, 14.0) for k in range(1, 7)]
    columns += [
        (closed & (weekday < 5), 0.5, 28.0),
        (closed & (weekday >= 5), 0.5, 28.0),
        (np.isin(days - 1, bank) & ~closed, 0.5, 28.0),
        (np.isin(before, bank) & (weekday < 5) & ~closed, 0.5, 28.0),  # next working day
    ]
    if rhythm.unit == "h":
        turns = local.astype(np.int64) % 24 / 24
        waves(turns, 4, 0.05, 2.0)
        waves(turns, 2, 0.5, 14.0, (weekday >= 5) | closed)
    return _columns(columns)


def _columns(columns: list[tuple[ArrayLike, float, float]]) -> tuple[Floats, Floats, Floats]:
    values, ridge, need = zip(*columns, strict=True)
    return np.stack([np.asarray(v, float) for v in values], 1), np.array(ridge), np.array(need)


# --- model ------------------------------------------------------------------------------------

OUTLYING = 2.58  # Anscombe residual above which the past counts little (Farrington Flexible's)
_LOG_MU = np.linspace(np.log(0.01), np.log(2000), 62)
_LOG_PHI = np.linspace(0, np.log(20), 24)


def surprise(count: ArrayLike, mean: ArrayLike, variance: ArrayLike) -> Floats:
    """Return −log10 of the upper mid-p of `count` under a negative binomial law."""
    count, mean = np.asarray(count, float), np.maximum(mean, 1e-9)
    variance = np.maximum(variance, mean * 1.0001)
    size = mean * mean / (variance - mean)
    odds = np.minimum(mean / (size + mean), 1 - 1e-15)
    above = np.where(count > 0, betainc(np.maximum(count, 1e-9), size, odds), 1.0)
    log_here = gammaln(count + size) - gammaln(size) - gammaln(count + 1)
    here = np.exp(np.minimum(log_here + size * np.log1p(-odds) + count * np.log(odds), 0))
    return np.clip(-np.log10(np.maximum(above - here / 2, 10**-CEILING)), 0, CEILING)


@dataclass(frozen=True)
class Fit:
    """One fit of many series: coefficients, over-dispersion, covariance (without φ)."""

    beta: Floats
    phi: Floats
    covariance: Floats

    def mean(self, columns: Floats, exposed: Floats) -> Floats:
        """Return the expected count at rows of the design."""
        return np.exp(np.clip(self.beta @ columns.T, -12, 21)) * exposed

    def predict(self, columns: Floats, exposed: Floats) -> tuple[Floats, Floats]:
        """Return mean and variance of a count to come at rows of the design."""
        mean = self.mean(columns, exposed)
        unsure = ((columns @ self.covariance) * columns).sum(2)
        return mean, self.phi[:, None] * (mean + mean * mean * unsure)


def fit(
    counts: Floats,
    columns: Floats,
    ridge: Floats,
    exposed: Floats,
    weights: Floats,
    told: bool = True,
) -> Fit:
    """Fit all series at once by iterated least squares, outbreaks of the past counting little.

    `ridge` and `weights` are per series; a weight of zero is a period not known. `told` gives back
    to φ what the weighting hides.
    """
    p = columns.shape[1]
    upper = np.triu_indices(p)
    products = columns[:, upper[0]] * columns[:, upper[1]]
    square = np.zeros((p, p), int)
    square[upper] = np.arange(len(upper[0]))
    square = np.maximum(square, square.T)
    penalty = ridge[:, :, None] * np.eye(p) + 1e-8 * np.eye(p)
    known = weights.sum(1)
    two_thirds = counts ** (2 / 3)
    # Half a count is lent to each series, so that a series of zeros has a mean and not −∞.
    beta = np.zeros((len(counts), p))
    beta[:, 0] = np.log(
        ((counts * weights).sum(1) + 0.5) / np.maximum((weights * exposed).sum(1), 1)
    )
    floor = beta[:, 0] - 4

    def mean() -> Floats:
        return np.exp(np.clip(beta @ columns.T, -12, 21)) * exposed

    def improve(steps: int) -> Floats:
        nonlocal beta
        for _ in range(steps):
            mu = mean()
            bent = weighted * mu
            hessian = (bent @ products)[:, square] + penalty
            gradient = (weighted * counts - bent) @ columns - beta * ridge
            step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
            beta = beta + np.clip(step, -2, 2)
            beta[:, 0] = np.maximum(beta[:, 0], floor)
        return hessian

    def dispersion(mu: Floats) -> Floats:
        return (weighted * (counts - mu) ** 2 / mu).sum(1) / np.maximum(known - p, known / 2 + 0.5)

    weighted = weights
    improve(5)
    mu = mean()
    phi = np.maximum(1, dispersion(mu))
    for _ in range(2):
        sixth = mu ** (1 / 6)
        residual = 1.5 * (two_thirds - sixth**4) / (sixth * np.sqrt(phi)[:, None])
        weighted = weights * np.where(residual > OUTLYING, np.maximum(residual, 1) ** -2, 1)
        weighted *= (known / np.maximum(weighted.sum(1), 1e-9))[:, None]
        hessian = improve(2)
        mu = mean()
        raw = dispersion(mu)
        phi = _dispersion_told(raw, mu, weights) if told else np.maximum(1, raw)
    return Fit(beta, phi, np.linalg.inv(hessian))


def _dispersion_told(raw: Floats, mu: Floats, weights: Floats) -> Floats:
    """Return φ given back half of what weighting outliers takes from it.

    All of it would be right if nothing had happened in the past; outbreaks that weighting left in
    take φ the other way. Half, in logarithms, holds the nominal rate from 0.1 to 150 a week.
    """
    kept = np.sqrt(_kept())
    mu, weights = mu[:, ::5], weights[:, ::5]  # one period in five meets all weekdays and hours
    known = weights.sum(1)
    cell = np.rint((np.log(mu) - _LOG_MU[0]) / (_LOG_MU[1] - _LOG_MU[0]))
    cell = np.clip(cell, 0, len(_LOG_MU) - 1).astype(np.int64)
    phi = np.maximum(1, raw)
    for _ in range(3):
        place = np.clip(np.log(phi) / _LOG_PHI[1], 0, len(_LOG_PHI) - 1.001)
        row, part = place.astype(int)[:, None], (place % 1)[:, None]
        share = (1 - part) * kept[row, cell] + part * kept[row + 1, cell]
        phi = np.maximum(1, raw * known / np.maximum((share * weights).sum(1), 1e-9))
    return phi


@cache
def _kept() -> Floats:
    """Return the share of the variance that weighting leaves in quiet counts, by φ and mean."""
    kept = np.ones((len(_LOG_PHI), len(_LOG_MU)))
    for i, phi in enumerate(np.maximum(np.exp(_LOG_PHI), 1.0005)):
        for j, mu in enumerate(np.exp(_LOG_MU)):
            y = np.arange(int(mu + 12 * np.sqrt(phi * mu) + 12 * phi + 5))
            law = nbinom.pmf(y, mu / (phi - 1), 1 / phi)
            residual = 1.5 * (y ** (2 / 3) - mu ** (2 / 3)) / (mu ** (1 / 6) * np.sqrt(phi))
            weight = np.where(residual > OUTLYING, np.maximum(residual, 1) ** -2, 1)
            kept[i, j] = law @ (weight * (y - mu) ** 2) / (mu * phi * (law @ weight))
    return kept


# --- detection --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores:
    """What each series showed at the periods `start`… of a panel, against what it should show."""

    start: int
    observed: Floats  # NaN where unknown
    mean: Floats
    variance: Floats
    peak: Floats
    slow: Floats
    shift: Floats  # positive up, negative down

    @property
    def kinds(self) -> dict[str, Floats]:
        return {
            "pic": self.peak,
            "montee": self.slow,
            "palier": np.maximum(self.shift, 0),
            "chute": np.maximum(-self.shift, 0),
        }


def score(
    counts: Floats, times: Times, rhythm: Rhythm, start: int, bank: Times | None = None
) -> Scores:
    """Score every series of `counts` (series × periods, NaN unknown) from period `start` on."""
    # Products of small matrices: several threads wait for each other, up to 30 times slower on a
    # busy machine.
    with threadpool_limits(1):
        return _score(counts, times, rhythm, start, bank)


def _score(counts: Floats, times: Times, rhythm: Rhythm, start: int, bank: Times | None) -> Scores:
    series, periods = counts.shape
    shape = (series, periods - start)
    mean, variance, one = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    slow, shift = np.zeros(shape), np.zeros(shape)
    known = ~np.isnan(counts)
    filled = np.where(known, counts, 0.0)
    if not counts.size:
        return Scores(start, counts, *(np.zeros(shape) for _ in range(5)))
    lived = np.where(known.any(1), known.argmax(1), periods)
    number = times.astype(f"datetime64[{rhythm.unit}]").astype(np.int64)
    anchors = number // rhythm.refit * rhythm.refit
    exposed = exposure(times, rhythm.unit)
    back = max(*rhythm.windows, rhythm.shift)
    for first, last in _runs(anchors[start:]):
        first, last = first + start, last + start
        origin = first - int(number[first] - anchors[first])
        past = slice(max(origin - rhythm.memory, 0), max(origin - rhythm.exclude, 0))
        ahead = slice(max(first - back + 1, past.stop), last)
        if past.stop - past.start < rhythm.minimum:
            continue
        when = np.datetime64(int(anchors[first]), rhythm.unit)
        both, ridge, need = design(np.concatenate([times[past], times[ahead]]), when, rhythm, bank)
        columns, rows = both[: past.stop - past.start], both[past.stop - past.start :]
        day = np.timedelta64(1, rhythm.unit) / np.timedelta64(1, "D")
        age = (past.stop - np.maximum(lived, past.start)) * day
        into = slice(first - start, last - start)
        for block in _blocks(series, len(columns)):
            held = np.where(need > age[block, None], 1e6, ridge)
            fitted = fit(
                filled[block, past], columns, held, exposed[past], known[block, past].astype(float)
            )
            mu, var = fitted.predict(rows, exposed[ahead])
            asked = last - first
            seen, told = filled[block, ahead], known[block, ahead]
            now, spread = mu[:, -asked:], var[:, -asked:]
            if rhythm.recent:
                before = fitted.mean(columns, exposed[past])
                level = _level(
                    filled[block, past], before, known[block, past], fitted.phi, rhythm.recent
                )
                now, spread = level(seen, np.where(told, mu, 0), now, spread)
            mean[block, into], variance[block, into] = now, spread
            one[block, into] = surprise(seen[:, -asked:], now, spread)
            slow[block, into], shift[block, into] = _sums(
                seen, np.where(told, mu, 0), rows, fitted, rhythm, asked
            )
    enough = (np.cumsum(known, 1)[:, start:] - known[:, start:]) >= rhythm.minimum
    judged = enough & known[:, start:]
    one, slow, shift = (np.where(judged, s, 0.0) for s in (one, slow, shift))
    return Scores(
        start,
        np.where(known, counts, np.nan)[:, start:],
        mean,
        variance,
        carried(one, rhythm.carry, rhythm.carry_from, rhythm.carry_cap) * judged,
        slow,
        shift,
    )


def _level(
    counts: Floats, mu: Floats, known: Bools, phi: Floats, window: int
) -> Callable[[Floats, Floats, Floats, Floats], tuple[Floats, Floats]]:
    """Return how the expected value follows the last `window` periods.

    Some series move in waves that no calendar tells (an epidemic, a campaign): their residuals
    follow each other. For those the level of the last periods corrects what is expected, as much
    as past windows departed from it (a gamma prior); the others, most of them, are left alone.
    """
    known = known & (mu > 0.05 * np.median(mu, 1, keepdims=True))  # closed days tell nothing
    residual = np.clip((counts - mu) / np.sqrt(phi[:, None] * mu), -5, 5) * known
    pairs = known[:, 1:] & known[:, :-1]
    steps = ((residual[:, 1:] - residual[:, :-1]) ** 2 * pairs).sum(1) / np.maximum(pairs.sum(1), 1)
    whole = (residual**2).sum(1) / np.maximum(known.sum(1), 1)
    apart = steps / 2 / np.maximum(whole, 1e-9)  # 1 where residuals do not follow each other
    moves = apart < 0.85
    local = np.where(moves, np.maximum(1, phi * apart), phi)
    cut = counts.shape[1] // window * window
    shape = (len(counts), -1, window)
    seen, told = ((v * known)[:, :cut].reshape(shape).sum(2) for v in (counts, mu))
    gap = np.clip(seen - told, -2 * told, 2 * told) ** 2 - local[:, None] * told
    # Waves are a small part of the year; within one, the level moves about ten times as much.
    moved = 10 * gap.sum(1) / np.maximum((told**2).sum(1), 1e-9)
    moves &= moved > 1e-9
    prior = np.where(moves, local / np.where(moves, moved, 1), 0)[:, None]

    def follow(
        recent: Floats, expected: Floats, now: Floats, spread: Floats
    ) -> tuple[Floats, Floats]:
        def before(values: Floats) -> Floats:
            total = np.cumsum(np.pad(values, [(0, 0), (window + 1, 0)]), 1)
            ends = slice(values.shape[1] - now.shape[1], values.shape[1])
            return total[:, window:-1][:, ends] - total[:, : -window - 1][:, ends]

        weight = before(expected) + prior
        mean = now * (before(recent) + prior) / np.maximum(weight, 1e-9)
        wide = local[:, None] * (mean + mean * mean / np.maximum(weight, 1e-9))
        return np.where(moves[:, None], mean, now), np.where(moves[:, None], wide, spread)

    return follow


def carried(one: Floats, share: float = 0.45, above: float = 0.3, cap: float = 1.5) -> Floats:
    """Return surprises helped by the period before, still read as −log10 of a chance.

    A rise that goes on is told from chance sooner; the cap keeps an alarm already given from
    giving a second one. The last term is exact for independent, continuous surprises.
    """
    helped = one.copy()
    helped[:, 1:] += share * np.clip(one[:, :-1] - above, 0, cap)
    rest, limit = 1 - share, cap * LN10
    start = 10**-above
    tail = (1 - start) + start * ((1 - np.exp(-rest * limit)) / rest + np.exp(-rest * limit))
    return np.maximum(helped - np.log10(tail), 0)


def _sums(
    seen: Floats, mu: Floats, rows: Floats, fitted: Fit, rhythm: Rhythm, asked: int
) -> tuple[Floats, Floats]:
    """Return the surprises of the sums over the last periods: a slow rise, a level shift."""
    gradient = mu[:, :, None] * rows

    def rolled(values: Floats, window: int) -> Floats:
        total = np.cumsum(np.pad(values, [(0, 0), (window, 0)] + [(0, 0)] * (values.ndim - 2)), 1)
        return (total[:, window:] - total[:, :-window])[:, -asked:]

    def variance(window: int, mean: Floats) -> Floats:
        slope = rolled(gradient, window)
        unsure = ((slope @ fitted.covariance) * slope).sum(2)
        return fitted.phi[:, None] * (mean + unsure)

    best = np.zeros((len(seen), asked))
    for window in rhythm.windows:
        mean = rolled(mu, window)
        best = np.maximum(best, surprise(rolled(seen, window), mean, variance(window, mean)))
    slow = np.maximum(best - np.log10(len(rhythm.windows)), 0)

    window = rhythm.shift
    mean = rolled(mu, window)
    spread, total = variance(window, mean), rolled(seen, window)
    gaps = np.pad(seen - mu, [(0, 0), (window - 1, 0)])
    gaps = np.lib.stride_tricks.sliding_window_view(gaps, window, axis=1)[:, -asked:]
    up = surprise(np.maximum(total - np.maximum(gaps.max(2), 0), 0), mean, spread)
    down = _lack(total - np.minimum(gaps.min(2), 0), mean, spread)
    return slow, np.where(up >= down, up, -down)


def _lack(count: Floats, mean: Floats, variance: Floats) -> Floats:
    """Return −log10 of the lower mid-p."""
    upper = surprise(count, mean, variance)
    return np.clip(-np.log10(np.maximum(1 - 10**-upper, 1e-15)), 0, CEILING)


def _runs(labels: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(labels)) + 1
    yield from zip([0, *edges.tolist()], [*edges.tolist(), len(labels)], strict=True)


def _blocks(series: int, periods: int) -> Iterator[slice]:
    """Yield blocks of series whose arrays stay in the processor's cache (half a MB each)."""
    size = max(16, 2**16 // max(periods, 1))
    for first in range(0, series, size):
        yield slice(first, first + size)


# --- from scores to alarms --------------------------------------------------------------------


def calibrated(
    scores: Floats, families: NDArray[np.int64], quiet: int, alive: Bools | None = None
) -> Floats:
    """Return scores brought down where the family's own last `quiet` periods scored too high.

    One score in ten should pass 1. Where more do, all are scaled so that this share does, with two
    hundred scores of good faith; a family that is too quiet is left as it is. Only the series
    `alive` at a period count (all of them, unless told).
    """
    alive = np.ones(scores.shape, bool) if alive is None else alive
    count = int(families.max()) + 1 if len(families) else 0
    passed, size = np.zeros((count, scores.shape[1])), np.zeros((count, scores.shape[1]))
    np.add.at(passed, families, (scores > 1) & alive)
    np.add.at(size, families, alive)
    passed, size = (np.cumsum(np.pad(v, [(0, 0), (1, 0)]), 1) for v in (passed, size))
    now = np.arange(scores.shape[1])
    since = np.maximum(now - quiet, 0)
    share = (passed[:, now] - passed[:, since] + 20) / (size[:, now] - size[:, since] + 200)
    return scores * np.clip(-np.log10(share), 0.2, 1)[families]


def discoveries(chances: Floats, rate: float, watched: ArrayLike | None = None) -> Bools:
    """Return what Benjamini-Hochberg keeps of each column at a false discovery `rate`.

    `watched` is how many chances each column counts (all of them, unless told).
    """
    ordered = np.sort(chances, 0)
    among = np.maximum(len(chances) if watched is None else np.asarray(watched), 1)
    line = rate * np.arange(1, len(chances) + 1)[:, None] / among
    return chances <= np.where(ordered <= line, ordered, -1.0).max(0, initial=-1.0)


def news(alarms: Bools, hold: int) -> Bools:
    """Return the alarms before which the same series had none for `hold` periods."""
    total = np.cumsum(np.pad(alarms, [(0, 0), (1, 0)]), 1)
    now = np.arange(alarms.shape[1])
    return alarms & (total[:, now] == total[:, np.maximum(now - hold, 0)])


@dataclass(frozen=True)
class Detection:
    """What `detect` says of each series (rows) at each period asked (columns)."""

    ids: NDArray[np.object_]
    times: Times
    observed: Floats
    expected: Floats
    low: Floats
    high: Floats
    surprise: Floats  # of the kind that stands out most, calibrated
    kind: NDArray[np.str_]
    alarm: Bools
    is_new: Bools
    reason: NDArray[np.str_]  # one a series
    method: str = VERSION
    watched: int = field(default=0)
    variance: Floats | None = None  # of the count expected; eEARS tells none

    def table(self) -> pa.Table:
        """Return one row per series and period; what could not be judged is null."""
        series, periods = self.observed.shape
        seen = np.isfinite(self.observed)
        judged = (seen & ~np.isin(self.reason, ["trop_courte", "absente"])[:, None]).ravel()

        hours = self.times.dtype == np.dtype("datetime64[h]")
        times = self.times.astype("datetime64[us]" if hours else "datetime64[D]")
        if self.times.dtype == np.dtype("datetime64[W]"):
            times = times - np.timedelta64(3, "D")

        def column(values: NDArray[np.generic], where: Bools = judged) -> pa.Array:
            return pa.array(values.ravel(), mask=~where)

        return pa.table(
            {
                "serie_id": pa.array(np.repeat(self.ids, periods)),
                "periode": pa.array(np.tile(times, series)),
                "observe": column(self.observed, seen.ravel()),
                "attendu": column(self.expected),
                "attendu_min": column(self.low),
                "attendu_max": column(self.high),
                "surprise": column(self.surprise),
                "forme": column(self.kind.astype(object)),
                "is_alerte": pa.array(self.alarm.ravel()),
                "is_nouvelle": pa.array(self.is_new.ravel()),
                "motif_code": pa.array(np.repeat(self.reason.astype(object), periods)),
                "series_suivies_count": pa.array(np.full(series * periods, self.watched)),
                "methode_version": pa.array(np.full(series * periods, self.method, object)),
            }
        )


@dataclass(frozen=True)
class Panel:
    """Series of one step side by side, with what was wrong in what was given."""

    ids: NDArray[np.object_]
    times: Times
    counts: Floats  # NaN: unknown
    reason: NDArray[np.str_]


def panel(ids: ArrayLike, times: ArrayLike, counts: ArrayLike, unit: str = "D") -> Panel:
    """Lay out rows (series, period, count) as a panel; wrong values become unknown, and are said.

    Periods are local days, local weeks, or UTC hours. A period without a row is unknown: zeros are
    the caller's to say.
    """
    named, row = _numbered(ids)
    moment = np.asarray(times).astype("datetime64[us]")
    if unit == "W":  # numpy's weeks begin on Thursdays, ours on Mondays
        moment = moment + np.timedelta64(3, "D")
    number = moment.astype(f"datetime64[{unit}]")
    values = np.asarray(counts, float)
    dated = ~np.isnat(number)
    row, number, values = row[dated], number[dated].astype(np.int64), values[dated]
    first, last = (int(number.min()), int(number.max())) if len(number) else (0, -1)
    grid = np.full((len(named), last - first + 1), -1.0)
    repeated = np.zeros(grid.shape, np.int64)
    np.add.at(repeated, (row, number - first), 1)
    sound = np.isfinite(values) & (values >= 0)
    np.maximum.at(grid, (row[sound], number[sound] - first), np.minimum(values[sound], LARGEST))
    known = grid >= 0
    grid[~known] = np.nan
    wrong = np.bincount(row[~sound], minlength=len(named)) > 0
    reason = np.full(len(named), "ok", dtype="<U12")
    long_gap = {"h": 7 * 24, "D": 30, "W": 5}[unit]
    reason[_longest_gap(known) >= long_gap] = "lacunaire"
    reason[(repeated > 1).any(1)] = "doublons"
    reason[wrong] = "invalide"
    return Panel(
        named.astype(object),
        np.arange(first, last + 1).astype(f"datetime64[{unit}]"),
        grid,
        reason,
    )


def _numbered(ids: ArrayLike | pa.ChunkedArray) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Return the names in order, and the place of each row among them.

    Arrow finds the distinct ones of a million rows in a tenth of a second, numpy in two.
    """
    column = ids if isinstance(ids, pa.ChunkedArray) else pa.array(np.asarray(ids, object).tolist())
    coded = column.cast(pa.string()).dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    names = np.asarray(coded.dictionary.to_pylist(), str)
    order = np.argsort(names)
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    return names[order], place[coded.indices.to_numpy()]


def _longest_gap(known: Bools) -> NDArray[np.int64]:
    """Return the longest run of unknown periods between two known ones."""
    at = np.arange(known.shape[1])
    before = np.maximum.accumulate(np.where(known, at, -1), 1)
    previous = np.pad(before, [(0, 0), (1, 0)], constant_values=-1)[:, :-1]
    return np.where(known & (previous >= 0), at - previous - 1, 0).max(1, initial=0)


def detect(
    panel: Panel,
    rhythm: Rhythm,
    asked: int = 1,
    families: ArrayLike | None = None,
    rate: float = 0.05,
    least: ArrayLike = 3,
    bank: Times | None = None,
) -> Detection:
    """Judge the last `asked` periods of every series of a panel.

    `families` (one label a series) share their quiet past; `rate` is the false discovery rate over
    the series of a period; under `least` counts (one for all, or one a series) nothing is an alarm.
    A series is watched from its first count on: one that begins later changes nothing before.
    """
    counts, times = panel.counts, panel.times
    series, periods = counts.shape
    asked = min(asked, periods)
    start = max(periods - asked - rhythm.quiet - rhythm.hold - 1, 0)
    found = score(counts, times, rhythm, start, bank)
    labels = np.zeros(series) if families is None else np.asarray(families)
    family = np.unique(labels, return_inverse=True)[1].astype(np.int64)
    alive = (np.cumsum(np.nan_to_num(counts), 1) > 0)[:, start:]
    kinds = np.stack([calibrated(s, family, rhythm.quiet, alive) for s in found.kinds.values()])
    names = np.array(list(found.kinds))
    flat = np.concatenate(list(10.0**-kinds))
    seen = np.nan_to_num(found.observed)
    floor = np.broadcast_to(np.asarray(least, float), series)[:, None]
    enough = np.where((names == "chute")[:, None, None], found.mean, seen) >= floor
    # A count beyond belief is a fault of the source, not a crowd.
    enough &= seen <= BELIEF * np.maximum(found.mean, 10)
    alarms = discoveries(flat, rate, len(names) * alive.sum(0)).reshape(kinds.shape) & enough
    alarm = alarms.any(0)
    shown = np.where(alarms, kinds, kinds - 2 * CEILING).argmax(0)
    top = np.take_along_axis(kinds, shown[None], 0)[0]
    late = slice(periods - start - asked, None)
    mean, variance = found.mean[:, late], np.maximum(found.variance, found.mean * 1.0001)[:, late]
    low, high = interval(mean, variance)
    return Detection(
        panel.ids,
        times[periods - asked :],
        found.observed[:, late],
        mean,
        low,
        high,
        top[:, late],
        np.where(top[:, late] > 0, names[shown[:, late]], "aucune"),
        alarm[:, late],
        news(alarm, rhythm.hold)[:, late],
        reasons(panel, rhythm, asked),
        watched=series,
        variance=variance,
    )


def interval(mean: Floats, variance: Floats, chance: float = 0.95) -> tuple[Floats, Floats]:
    """Return the bounds within which a count falls with this chance."""
    mean = np.maximum(mean, 1e-9)
    size = mean * mean / np.maximum(variance - mean, mean * 1e-4)
    share = size / (size + mean)
    tail = (1 - chance) / 2
    return nbinom.ppf(tail, size, share), nbinom.ppf(1 - tail, size, share)


def _beyond_belief(counts: Floats) -> Floats:
    """Return a thousand times what nine periods in ten do not pass (ten counts at least)."""
    ordered = np.sort(np.nan_to_num(counts), 1)
    usual = ordered[:, int(0.9 * (counts.shape[1] - 1))] if counts.size else np.zeros(len(counts))
    return BELIEF * np.maximum(usual, 10)


def tuned(rhythm: Rhythm, settings: Mapping[str, str]) -> Rhythm:
    """Return `rhythm` with the parameters that `ref_methodes` sets; names it has not are left."""
    own = {name: value for name, value in settings.items() if hasattr(rhythm, name)}
    return replace(rhythm, **{k: type(getattr(rhythm, k))(v) for k, v in own.items()})


def reasons(panel: Panel, rhythm: Rhythm, asked: int) -> NDArray[np.str_]:
    """Return what each series needs said of it (a key of `REASONS`)."""
    counts, reason = panel.counts, panel.reason.copy()
    if not counts.size:
        return reason
    past = counts.shape[1] - asked
    known = ~np.isnan(counts)
    largest = np.where(known, counts, 0).max(1, initial=0)
    reason[largest > _beyond_belief(counts)] = "demesuree"
    reason[largest == 0] = "vide"
    reason[known[:, :past].sum(1) < rhythm.minimum] = "trop_courte"
    reason[~known[:, past:].any(1)] = "absente"
    return reason


# --- the reference users may choose -----------------------------------------------------------


def eears(
    counts: Floats,
    start: int,
    alpha: float = 0.025,
    blocks: int = 7,
    step: int = 1,
    downweight: bool = True,
    floor: float = 0.0,
) -> tuple[Floats, Floats, Floats]:
    """Return upper bound, expected value and chance at periods `start`…: epitweetr's eEARS.

    The baseline is the `blocks` periods before, `step` apart (7 for same weekdays, 24 for the same
    hours). `floor` is the least standard deviation: without one, a constant past alarms at +1.
    Divide `alpha` by the number of places looked at (Bonferroni), as epitweetr does.
    """
    n = blocks
    at = np.arange(start, counts.shape[1])
    if start < n * step:
        raise ValueError(f"il faut {n * step} périodes de passé, {start} sont données")
    base = counts[:, at[:, None] - step * np.arange(1, n + 1)]
    mean = base.mean(2, keepdims=True)
    weight = np.ones(base.shape)
    if downweight:
        gap = base - mean
        # The variance without one value, from the whole one: no need to leave each out in turn.
        squares = (gap**2).sum(2, keepdims=True) - gap**2 * n / (n - 1)
        without = np.sqrt(np.maximum(squares, 0) / (n - 2) * (1 - 1 / n))
        limit = student.ppf(0.95, n - 2)
        residual = gap / np.maximum(without, 1e-12)
        weight = np.where(residual > limit, (limit / np.maximum(residual, limit)) ** 4, 1.0)
        weight *= n / weight.sum(2, keepdims=True)
    mean = (weight * base).sum(2) / n
    spread = np.sqrt((weight * (base - mean[..., None]) ** 2).sum(2) / (n - 1))
    spread = np.maximum(spread, floor) * np.sqrt(1 + 1 / n)
    bound = mean + student.ppf(1 - alpha, n - 1) * spread
    gap = counts[:, at] - mean
    ratio = gap / np.maximum(spread, 1e-12)
    return bound, mean, student.sf(np.clip(ratio, -1e6, 1e6), n - 1)


def detect_eears(
    panel: Panel,
    rhythm: Rhythm,
    asked: int = 1,
    alpha: float = 0.025,
    places: int = 1,
    least: int = 3,
    floor: float = 0.5,
) -> Detection:
    """Judge the last `asked` periods as epitweetr would: same answer as `detect`, its own rule.

    Hours are read as it reads them, by blocks of 24; `places` divides α (Bonferroni).
    """
    counts, step = panel.counts, 24 if rhythm.unit == "h" else 1
    if step > 1 and counts.shape[1] >= step:
        first = np.full((len(counts), step - 1), np.nan)
        total = np.cumsum(np.pad(np.nan_to_num(counts), [(0, 0), (1, 0)]), 1)
        counts = np.concatenate([first, total[:, step:] - total[:, :-step]], 1)
    series, periods = counts.shape
    asked = min(asked, periods)
    missing = max(7 * step - (periods - asked), 0)
    padded = np.pad(counts, [(0, 0), (missing, 0)], constant_values=np.nan)
    start = padded.shape[1] - asked
    bound, mean, chance = eears(padded, start, alpha / places, 7, step, floor=floor)
    judged = np.isfinite(bound) & np.isfinite(counts[:, periods - asked :])
    bound, mean = (np.where(judged, v, 0.0) for v in (bound, mean))
    surprised = np.where(judged, -np.log10(np.maximum(chance, 10**-CEILING)), 0.0)
    seen = counts[:, periods - asked :]
    alarm = judged & (np.nan_to_num(seen) > bound) & (np.nan_to_num(seen) >= least)
    alarm &= np.nan_to_num(seen) <= _beyond_belief(counts)[:, None]
    reason = reasons(panel, replace(rhythm, minimum=7 * step), asked)
    return Detection(
        panel.ids,
        panel.times[periods - asked :],
        seen,
        mean,
        np.zeros(mean.shape),
        bound,
        surprised,
        np.where(alarm, "pic", "aucune"),
        alarm,
        news(alarm, rhythm.hold),
        reason,
        method="eears-1",
        watched=series,
    )
