"""Unusual moments of a dense volume (posts, visits, calls counted every minute to every hour).

Seven views of a series, each a statistic whose law nobody knows, are put on one scale: how rarely
the series' own past went that far, `-log10` of a return probability, by the streaming tail of its
greatest values. Their mean is the surprise: 2 is "about once in a hundred bins, seen by all". An
alert stands out of the recent surprises, so that one event is told once. Strictly causal: what
comes later changes no score given after the learning period.

Origins: novelty by leaders as in fuzzy ART, relative entropy after Wang et al. 2011, tail after
Pickands; no parameter is fitted to a series.
"""

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass
from math import log10

import numpy as np
import pyarrow as pa
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

VERSION = "volumes-1"
THRESHOLD = 1.8
"""Frozen: an alert is a surprise of this much."""

MARGIN = 0.3
LEAST = 100  # bins: fewer teach nothing
DAY = np.timedelta64(86_400_000_000, "us")
FINEST = 1440  # bins a day: nothing is looked at more finely than by the minute
FORGET = 3000  # bins after which an old extreme counts for half, where the views below forget

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One series in order of time: its instants as places on a grid of `per_day` bins."""

    values: Floats
    slots: NDArray[np.int64]
    per_day: int
    learning: int


def score(at: ArrayLike, values: ArrayLike, learning: int | None = None) -> Floats:
    """Return, for each row, the surprise where it is an alert to weigh, and 0 elsewhere.

    `learning` is the number of first bins that only teach (a week, at most 750 bins, by default).
    A value that is missing or infinite scores 0 and teaches nothing.
    """
    instants = np.asarray(at, "datetime64[us]")
    numbers = np.asarray(values, float)
    kept = np.flatnonzero(np.isfinite(numbers) & ~np.isnat(instants))
    kept = kept[np.argsort(instants[kept], kind="stable")]
    told = np.zeros(len(numbers))
    if len(kept) < 2:
        return told
    series = _series(instants[kept], numbers[kept], learning)
    told[kept] = stand_out(surprise(series), max(5, series.learning // 10))
    told[kept[: series.learning]] = 0
    return told


def detect(rows: pa.Table, threshold: float = THRESHOLD) -> pa.Table:
    """Score every series of `rows` (`serie_id`, `instant`, `valeur`); add `surprise`, `alerte`."""
    names = rows["serie_id"].combine_chunks().dictionary_encode()
    which = np.asarray(names.indices)
    instants = np.asarray(rows["instant"].cast(pa.timestamp("us")).to_numpy(), "datetime64[us]")
    numbers = np.asarray(rows["valeur"].cast(pa.float64()).to_numpy(), float)
    told = np.zeros(len(which))
    order = np.argsort(which, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(which[order])) + 1):
        told[part] = score(instants[part], numbers[part])
    return rows.append_column("surprise", pa.array(told)).append_column(
        "alerte", pa.array(told >= threshold)
    )


def surprise(series: Series) -> Floats:
    """Return the mean of the seven views, each as `-log10` of a return probability."""
    views = _views(series)
    total = np.zeros(len(series.values))
    for view, forget in views:
        total += _tail(view, 1e-9 + 1e-3 * float(np.std(view[: series.learning])), forget)
    return total / len(views)


def _series(instants: NDArray[np.datetime64], values: Floats, learning: int | None) -> Series:
    steps = np.diff(instants[:LEAST])
    steps = steps[steps > np.timedelta64(0, "us")]
    per_day = int(np.clip(round(DAY / np.median(steps)), 1, FINEST)) if len(steps) else 1
    slots = np.rint((instants - instants[0]) / (DAY / per_day)).astype(np.int64)
    # A silence longer than the memory is told as just longer than it: the grid stays small.
    days = np.diff(slots, prepend=0) // per_day
    slots -= per_day * np.cumsum(np.maximum(days - 15, 0))
    learning = min(750, 7 * per_day) if learning is None else learning
    return Series(values, slots, per_day, max(LEAST, learning))


def _views(series: Series) -> list[tuple[Floats, int]]:
    """The seven statistics, and how fast the memory of their extremes fades (0: never)."""
    usual_week, usual = _usual(series, 7), _usual(series, 14)
    raw = _residual(series.values, usual, _same)
    root = _residual(series.values, usual, _root)
    log = _residual(series.values, usual, _log)
    return [
        (np.abs(_residual(series.values, usual_week, _same)), 0),
        (np.abs(_trailing_mean(raw, 6)), 0),
        (np.abs(_trailing_mean(raw, 12)), FORGET),
        (_novelty(_shape(raw, series.values, series.learning), _mean_gap), 0),
        (_novelty(_shape(root, _root(series.values), series.learning), _mean_gap), 0),
        (_novelty(_shape(log, _log(series.values), series.learning), _widest_gap), FORGET),
        (_entropy(_log(series.values)), 0),
    ]


def _same(values: Floats) -> Floats:
    return values


def _root(values: Floats) -> Floats:
    return np.sign(values) * np.sqrt(np.abs(values))


def _log(values: Floats) -> Floats:
    return np.sign(values) * np.log1p(np.abs(values))


# What is usual at this time of day ------------------------------------------------------------


def _usual(series: Series, days: int) -> tuple[Floats, Floats]:
    """Lower and upper median of the same hour, give or take one, over the `days` before.

    Two numbers, because the median of a monotone transform is the mean of the transformed two.
    While fewer than five values are there, the day just before is what is usual.
    """
    near = max(1, series.per_day // 24)
    lags = {d * series.per_day + o for d in range(1, days + 1) for o in range(-near, near + 1)}
    grid = np.full(series.slots[-1] + 1, np.nan)
    grid[series.slots] = series.values
    low, high, known = _median_of(grid, series.slots, np.array(sorted(lags - {0})))
    new = np.flatnonzero(known < 5)
    low[new], high[new], known = _median_of(series.values, new, np.arange(1, series.per_day + 1))
    low[0] = high[0] = series.values[0]
    return low, high


def _median_of(
    grid: Floats, places: NDArray[np.int64], lags: NDArray[np.int64]
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    low, high = np.empty(len(places)), np.empty(len(places))
    known = np.empty(len(places), np.int64)
    padded = np.concatenate((np.full(lags[-1], np.nan), grid))
    step = max(1, 2_000_000 // len(lags))
    for start in range(0, len(places), step):
        part = slice(start, start + step)
        seen = np.sort(padded[lags[-1] + places[part, None] - lags], axis=1)  # NaN come last
        known[part] = count = len(lags) - np.isnan(seen).sum(1)
        row = np.arange(len(seen))
        low[part] = seen[row, np.maximum(count - 1, 0) // 2]
        high[part] = seen[row, count // 2]
    return low, high, known


def _residual(
    values: Floats, usual: tuple[Floats, Floats], transform: Callable[[Floats], Floats]
) -> Floats:
    return transform(values) - (transform(usual[0]) + transform(usual[1])) / 2


def _trailing_mean(values: Floats, width: int) -> Floats:
    """Mean of the last `width` values, of those there are at the start."""
    total = np.cumsum(values)
    total[width:] -= total[:-width].copy()
    return total / np.minimum(np.arange(1, len(values) + 1), width)


# What was never seen --------------------------------------------------------------------------


def _shape(residual: Floats, values: Floats, learning: int) -> Floats:
    """Residual at four scales and last step, one line each, in units of what is common at first."""
    lines = [residual, *(_trailing_mean(residual, width) for width in (3, 12, 36))]
    lines.append(np.diff(values, prepend=values[0]))
    shape = np.stack(lines)
    low, high = np.quantile(shape[:, :learning], [0.05, 0.95], axis=1)
    spread = np.maximum(high - low, 0.25 * (high - low).max())
    return shape / np.maximum(spread, 1e-6 + 0.02 * abs(np.median(values[:learning])))[:, None]


def _mean_gap(points: Floats, leader: Floats) -> Floats:
    return np.abs(points - leader).sum(0) / len(points)


def _widest_gap(points: Floats, leader: Floats) -> Floats:
    return np.abs(points - leader).max(0)


def _novelty(
    points: Floats,
    gap: Callable[[Floats, Floats], Floats],
    far: float = 0.15,
    most: int = 1500,
) -> Floats:
    """Distance of each column to the nearest leader before it; one that is far becomes a leader."""
    nearest = np.full(points.shape[1], np.inf)
    place = 0
    for _ in range(most):
        later = points[:, place + 1 :]
        np.minimum(nearest[place + 1 :], gap(later, points[:, [place]]), out=nearest[place + 1 :])
        beyond = nearest[place + 1 :] > far
        step = int(beyond.argmax()) if len(beyond) else 0
        if not len(beyond) or not beyond[step]:
            break
        place += 1 + step
    nearest[:1] = 0
    return nearest


def _entropy(values: Floats, width: int = 150, bins: int = 5) -> Floats:
    """Distance of the last `width` values' histogram to the nearest kind of histogram met before.

    Bins span all that was seen so far; 15 is how far a new kind begins (chi-square, 1 % or so).
    """
    told = np.zeros(len(values))
    if len(values) <= width:
        return told
    least, most = np.minimum.accumulate(values), np.maximum.accumulate(values)
    least, span = least[width - 1 :], (most - least)[width - 1 :]
    shares = np.empty((bins, len(span)))
    step = 20_000
    for start in range(0, len(span), step):
        part = slice(start, start + step)
        seen = sliding_window_view(values, width)[part] - least[part, None]
        place = (seen * (bins / np.maximum(span[part, None], 1e-300))).astype(np.int8)
        place = np.minimum(place, bins - 1)
        for kind in range(bins):
            shares[kind, part] = (place == kind).sum(1)
    shares = (shares + 0.5) / (width + bins / 2)
    logs = np.log(shares)

    def gap(points: Floats, leader: Floats) -> Floats:
        return 2 * width * (points[:bins] * (points[bins:] - leader[bins:])).sum(0)

    told[width - 1 :] = _novelty(np.concatenate((shares, logs)), gap, far=15.0)
    return told


# How rarely the past went that far ------------------------------------------------------------


def _tail(view: Floats, least: float, forget: int, kept: int = 80, shape: float = 0.15) -> Floats:
    """`-log10` of the return probability of each value under those before it.

    The greatest `kept` values are remembered. Beyond the k-th of them the excesses follow a
    generalised Pareto law of that `shape`, of the scale of their mean (`least` at the smallest);
    among them, the rank speaks.
    """
    told = np.zeros(len(view))
    top: list[float] = []  # ascending
    fade = 0.5 ** (50 / forget) if forget else 1.0
    for when, value in enumerate(view.tolist()):
        if when >= 50 and value > top[0]:
            rank = min(kept, max(5, int(0.003 * when)))
            bound = top[-rank]
            if value > bound:
                excess = sum(top[1 - rank :]) / (rank - 1) - bound
                scale = max(excess * (1 - shape), least)
                beyond = log10(1 + shape * (value - bound) / scale) / shape
                told[when] = beyond - log10(rank / (when + 1))
            else:
                told[when] = -log10((len(top) - bisect_left(top, value) + 1) / (when + 1))
        if forget and when % 50 == 0 and top:
            top = [top[0] + (extreme - top[0]) * fade for extreme in top]
        if len(top) < kept or value > top[0]:
            insort(top, value)
            if len(top) > kept:
                del top[0]
    return told


def stand_out(surprises: Floats, hold: int) -> Floats:
    """Keep what exceeds the surprises of the last `hold` bins by `MARGIN`."""
    before = sliding_window_view(np.concatenate((np.zeros(hold), surprises[:-1])), hold).max(1)
    return np.where(surprises > before + MARGIN, surprises, 0.0)
