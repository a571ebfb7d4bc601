"""What an action changed: counts observed, against what would have been expected without it.

1. `against_others`: places that were not targeted tell what the targeted ones would have done.
   Differences in differences (Poisson, an effect per place and per period: with the treated cells
   left free its fit is a rule of three). Few places are targeted, so that clustered errors are too
   narrow: the error is drawn from what the other places show, brought to the size of the targeted
   ones (Conley, Taber 2011; Ferman, Pinto 2019).
2. `against_itself`: the whole country is targeted. The past of the series, its season, its bank
   holidays and what other subjects do tell the rest; errors that last (AR 1) are fitted by
   restricted likelihood, and what is not known of them widens the interval.

Pure functions, float64. Draws are seeded: the same counts give the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from dbt_project.udfs import counts

VERSION = "effets-1"

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Times = NDArray[np.datetime64]


@dataclass(frozen=True)
class Rule:
    """What is wanted of an estimate: the rows of `ref_methodes` named `effets`."""

    risque: float = 0.05
    puissance: float = 0.8
    mois_avant_min: int = 6
    mois_avant_max: int = 12
    semaines_avant_min: int = 52
    semaines_avant_max: int = 156
    part_min: float = 0.25
    temoins_min: int = 10
    attendu_min: float = 30
    mois_apres: int = 2
    semaines_apres: int = 8
    periodes_montrees: int = 26
    tirages: int = 1999
    essais_lieux: int = 100


def rule_from(methods: Iterable[Mapping[str, Any]]) -> Rule:
    """Return the rule that the rows of `ref_methodes` say."""
    kinds = {name: type(value) for name, value in vars(Rule()).items()}
    return Rule(
        **{
            row["parametre"]: kinds[row["parametre"]](row["valeur"])
            for row in methods
            if row["methode_id"] == "effets"
        }
    )


@dataclass(frozen=True)
class Effect:
    """Observed against expected over some periods, and the interval of their `ratio`.

    `chance`: how often as much is seen where nothing is done. `band` and `detectable` are in
    logarithms of the ratio: what nothing can do, and the least effect that the rule would show with
    the power it asks.
    """

    observed: float
    expected: float
    low: float
    high: float
    chance: float
    band: float
    detectable: float

    @property
    def ratio(self) -> float:
        return (self.observed + 0.5) / (self.expected + 0.5)

    @property
    def is_shown(self) -> bool:
        return not self.low <= 1 <= self.high

    @property
    def gain(self) -> tuple[float, float, float]:
        """Observed less expected, least and most."""
        seen = self.observed + 0.5
        return self.observed - self.expected, seen - seen / self.low, seen - seen / self.high


def _effect(observed: float, expected: float, alone: Floats, around: Floats, rule: Rule) -> Effect:
    """Sum up: `alone` are errors (log) where nothing is done, `around` at the ratio seen."""
    ratio = (observed + 0.5) / (expected + 0.5)
    reach = float(np.quantile(np.abs(around), 1 - rule.risque))
    band = float(np.quantile(np.abs(alone), 1 - rule.risque))
    as_far = int((np.abs(alone) >= abs(np.log(ratio))).sum())
    return Effect(
        observed,
        expected,
        float(ratio * np.exp(-reach)),
        float(ratio * np.exp(reach)),
        (1 + as_far) / (1 + len(alone)),
        band,
        band + float(norm.ppf(rule.puissance)) * float(np.std(alone)),
    )


# --- against places that were not targeted ------------------------------------------------------


@cache
def _draws(rows: int, columns: int) -> tuple[Floats, Floats, Floats]:
    chance = np.random.default_rng(0)
    return (
        chance.random((rows, columns)),
        chance.choice([-1.0, 1.0], (rows, columns)),
        chance.standard_normal(rows),
    )


def against_others(
    panel: Floats,
    treated: Bools,
    before: Bools,
    during: Bools,
    rule: Rule,
    regions: NDArray[np.int64] | None = None,
) -> Effect:
    """Return the effect on the treated rows of `panel` (places × periods) over `during`.

    Places of one of the `regions` (numbered from 0) may go astray together; without them, each
    place goes alone.

    Raises:
        ValueError: a place without a count before, or fewer than two places to compare with.
    """
    past, now = panel[:, before].sum(1), panel[:, during].sum(1)
    others = ~treated
    if others.sum() < 2 or not (past > 0).all():
        raise ValueError("two places to compare with, and a past for each, are needed")
    # Each place is judged by the others, without itself.
    growth = (now[others].sum() - now * others) / (past[others].sum() - past * others)
    expected = np.maximum(past * growth, 0.5)
    noise = _dispersion(panel[np.ix_(others, before)]) * np.stack([1 / expected, 1 / past])
    errors = np.log((now + 0.5) / (expected + 0.5))[others]
    luck = noise.sum(0)[others]
    regions = np.arange(len(panel)) if regions is None else regions
    lasting = common = 0.0
    for _ in range(2):  # the second time, weights know how far places go
        weight = 1 / (luck + lasting)
        lasting = max(0.0, float((weight * (errors**2 - luck)).sum() / weight.sum()))
        common, degrees = _common(errors, weight, regions[others])
    common = min(common, lasting)
    shapes = errors / np.sqrt(lasting + luck)
    if not shapes.any():  # counts that never move tell no shape
        shapes = np.ones(len(shapes))
    shapes *= _wider(len(shapes) - 1) / np.sqrt((shapes**2).mean())

    observed, wanted = float(now[treated].sum()), float(expected[treated].sum())
    part = expected[treated] / wanted
    ranks, signs, normal = _draws(rule.tirages, len(part))
    drawn = shapes[(ranks * len(shapes)).astype(int)] * signs
    # What is shared: the region's way, and the error of the places compared with.
    spread = expected[others] ** 2 @ (lasting + luck) / expected[others].sum() ** 2
    together = common * _wider(degrees) ** 2 * (np.bincount(regions[treated], part) ** 2).sum()
    shared = np.sqrt(together + spread) * normal

    def error(ratio: float) -> Floats:
        own = np.sqrt(lasting - common + noise[0, treated] / ratio + noise[1, treated])
        return np.asarray(drawn @ (part * own) + shared, float)

    ratio = (observed + 0.5) / (wanted + 0.5)
    return _effect(observed, wanted, error(1.0), error(ratio), rule)


def _wider(degrees: int) -> float:
    """Return by how much Student's law widens a spread that few places, or regions, tell."""
    return float(student.ppf(0.975, max(degrees, 1)) / norm.ppf(0.975))


def _common(errors: Floats, weight: Floats, regions: NDArray[np.int64]) -> tuple[float, int]:
    """Return the covariance of places of one region, and the degrees of freedom it is told by."""
    pushed = weight * errors
    totals = np.bincount(regions, weight)
    apart = np.bincount(regions, pushed) ** 2 - np.bincount(regions, pushed**2)
    pairs = totals**2 - np.bincount(regions, weight**2)
    common = max(0.0, float(apart.sum() / pairs.sum())) if pairs.sum() > 0 else 0.0
    return common, int((np.bincount(regions) > 1).sum()) - 1


def _dispersion(panel: Floats) -> float:
    """Return what counts vary by, over what chance alone would make (Pearson, at least 1)."""
    mean = np.maximum(np.outer(panel.sum(1), panel.sum(0)) / panel.sum(), 1e-9)
    degrees = max((panel.shape[0] - 1) * (panel.shape[1] - 1), 1)
    return max(1.0, float(((panel - mean) ** 2 / mean).sum() / degrees))


# --- against its own past -----------------------------------------------------------------------

LASTING = np.linspace(0, 0.95, 20)  # correlations of one week with the next that are tried


def against_itself(
    series: Floats,
    weeks: Times,
    before: Bools,
    during: Bools,
    rule: Rule,
    others: Floats | None = None,
) -> tuple[list[Effect], Effect]:
    """Return the effect on `series` week by week over `during`, and over all of it.

    `weeks` are first days; `others`, of the same length, is what subjects not targeted do.
    """
    used = before | during
    place = np.cumsum(during[used]) - 1
    within = during[used]
    known = _season(weeks[used], weeks[before][-1] - weeks[before][0], others, used)
    dummies = (place[:, None] == np.arange(within.sum())) & within[:, None]
    columns = np.column_stack([known, dummies])
    values = np.log(series[used] + 0.5)
    lag = np.abs(np.subtract.outer(*[(weeks[used] - weeks[0]).astype(int) // 7] * 2))
    chances = np.array([_restricted(values, columns, value**lag) for value in LASTING])
    chances = np.exp(chances - chances.max())
    # The correlation is not known: each one that is plausible draws its share of the errors.
    shares = np.floor(chances / chances.sum() * rule.tirages + 0.5).astype(int)
    gaps, count = [], int(within.sum())
    for value, share in zip(LASTING, shares, strict=True):
        if share:
            fitted = sm.GLS(values, columns, sigma=value**lag).fit()
            # Counts never vary by less than chance makes them.
            scale = max(float(fitted.scale), 1 / (float(series[before].mean()) + 0.5))
            root = np.linalg.cholesky(fitted.normalized_cov_params[-count:, -count:] * scale)
            chance = np.random.default_rng(0)
            law = chance.standard_normal((share, count)) @ root.T
            law *= np.sqrt(fitted.df_resid / chance.chisquare(fitted.df_resid, share))[:, None]
            gaps.append(fitted.params[-count:] + law)
    drawn = np.concatenate(gaps)
    centre = drawn.mean(0)
    expected = (series[during] + 0.5) * np.exp(-drawn)
    wanted = (series[during] + 0.5) * np.exp(-centre)

    error = np.log(expected / wanted)
    whole = np.log(expected.sum(1) / wanted.sum())
    seen = series[during]
    each = [
        _effect(float(one), float(mean - 0.5), gap, gap, rule)
        for one, mean, gap in zip(seen, wanted, error.T, strict=True)
    ]
    return each, _effect(float(seen.sum()), float(wanted.sum() - 0.5), whole, whole, rule)


def _season(weeks: Times, lived: np.timedelta64, others: Floats | None, used: Bools) -> Floats:
    columns, _, needs = counts.design(weeks, weeks[0], counts.SEMAINE)
    years = weeks.astype("datetime64[Y]").astype(int) + 1970
    bank = counts.holidays(int(years.min()), int(years.max()) + 1)
    bank = bank[(bank.astype("datetime64[D]").astype(int) + 3) % 7 < 5]
    closed = np.searchsorted(bank, weeks + 7) - np.searchsorted(bank, weeks)
    known = [columns[:, needs <= lived.astype(int)], closed[:, None]]
    if others is not None:
        known.append(np.log(others[used] + 0.5)[:, None])
    table = np.column_stack(known)
    return np.asarray(table[:, [0, *(1 + np.flatnonzero(np.ptp(table[:, 1:], axis=0) > 0))]], float)


def _restricted(values: Floats, columns: Floats, correlation: Floats) -> float:
    """Return the restricted log-likelihood of a correlation of the errors, up to a constant."""
    root = np.linalg.cholesky(correlation)
    bent, target = np.linalg.solve(root, columns), np.linalg.solve(root, values)
    beta, *_ = np.linalg.lstsq(bent, target, rcond=None)
    left = max(float(((target - bent @ beta) ** 2).sum()), 1e-12)
    _, information = np.linalg.slogdet(bent.T @ bent)
    degrees = len(values) - columns.shape[1]
    return float(-np.log(np.diag(root)).sum() - information / 2 - degrees / 2 * np.log(left))


def before_after(
    counts: Floats, days: Floats, before: Bools, during: Bools, rule: Rule
) -> tuple[float, float, float]:
    """Return what anybody would say, a ratio and its Poisson interval: the rate now over before."""
    now, past = counts[during].sum() + 0.5, counts[before].sum() + 0.5
    ratio = now / past * days[before].sum() / days[during].sum()
    reach = norm.ppf(1 - rule.risque / 2) * np.sqrt(1 / now + 1 / past)
    return float(ratio), float(ratio * np.exp(-reach)), float(ratio * np.exp(reach))
