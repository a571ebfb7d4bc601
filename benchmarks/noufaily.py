"""Weekly outbreaks: the 42 scenarios of Noufaily et al. (Statistics in Medicine 32, 2013).

Ours against Farrington Flexible, EARS C1 and eEARS at equal false-positive rate, on series that
this module draws; and against R's `surveillance` where it is installed
(`apt-get install r-base-core r-cran-surveillance`).
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nbinom
from threadpoolctl import threadpool_limits

from benchmarks import Metric, record
from dbt_project.udfs import counts

Floats = NDArray[np.float64]

WEEKS, CURRENT = 624, 575  # the last 49 are the ones watched
BASELINE = 312  # past outbreaks fall from here on
RATES = (0.005, 0.01, 0.02)
LAWS = [  # θ, β (of the trend), γ₁, γ₂ (season), φ
    (0.1, 0.0025, 0.6, 0.6, 1.5),
    (-2, 0.005, 0.1, 0.3, 2),
    (1.5, 0.003, 0.2, -0.4, 1),
    (0.5, 0.002, 0.5, 0.5, 5),
    (2.5, 0.001, 1, 0.1, 3),
    (3.75, 0.001, 0.1, -0.1, 1.1),
    (5, 0.0001, 0.05, 0.01, 1.2),
]
# The simulated year has 52 weeks exactly.
RHYTHM = replace(counts.SEMAINE, year=364.0)
TIMES = np.datetime64("2000-01-03", "W") + np.arange(WEEKS)


@dataclass(frozen=True)
class World:
    """Series with a current outbreak, the same without, where the outbreak is, the true law."""

    struck: Floats
    quiet: Floats
    outbreak: NDArray[np.int64]
    mean: Floats
    phi: Floats
    scenario: NDArray[np.int64]


def generate(seed: int, replicates: int) -> World:
    """Draw every scenario: 7 laws × trend or not × 0, 1 or 2 harmonics."""
    rng = np.random.default_rng(seed)
    week = np.arange(1, WEEKS + 1)
    struck, quiet, outbreaks, means, phis = [], [], [], [], []
    for theta, beta, cosine, sine, phi in LAWS:
        for trend in (0, 1):
            for harmonics in (0, 1, 2):
                level = theta + beta * trend * week
                for j in range(1, harmonics + 1):
                    angle = 2 * np.pi * j * week / 52
                    level = level + cosine * np.cos(angle) + sine * np.sin(angle)
                mean = np.exp(level)
                for replicate in range(replicates):
                    y = _negative_binomial(rng, mean, phi)
                    for _ in range(4):
                        factor = rng.choice([2, 3, 5, 10])
                        y = y + _outbreak(rng, mean, phi, factor, (BASELINE, CURRENT))
                    hit = _outbreak(rng, mean, phi, replicate % 10 + 1, (CURRENT, WEEKS - 4))
                    struck.append(y + hit)
                    quiet.append(y)
                    outbreaks.append(hit)
                    means.append(mean)
                    phis.append(phi)
    return World(
        np.array(struck, float),
        np.array(quiet, float),
        np.array(outbreaks),
        np.array(means),
        np.array(phis, float),
        np.repeat(np.arange(42), replicates),
    )


def _negative_binomial(rng: np.random.Generator, mean: Floats, phi: float) -> NDArray[np.int64]:
    return rng.poisson(mean) if phi == 1 else rng.negative_binomial(mean / (phi - 1), 1 / phi)


def _outbreak(
    rng: np.random.Generator, mean: Floats, phi: float, factor: int, within: tuple[int, int]
) -> NDArray[np.int64]:
    """Draw an outbreak of Poisson(k sd) cases, at least two, spread by a log-normal delay."""
    start, size = int(rng.integers(*within)), 0
    while size < 2:
        size = int(rng.poisson(factor * np.sqrt(mean[start] * phi)))
    week = start + np.floor(rng.lognormal(0, 0.5, size)).astype(int)
    return np.bincount(week[week < WEEKS], minlength=WEEKS)


# --- detectors: each gives a score for the 49 current weeks, the higher the more unusual --------


TRUTH = "vraie loi connue, une semaine"


def ours(y: Floats, rhythm: counts.Rhythm = RHYTHM) -> Floats:
    return counts.score(y, TIMES, rhythm, CURRENT - 1).peak[:, 1:]


def ours_five_years(y: Floats) -> Floats:
    """Learn from five years only, as Farrington Flexible does."""
    return ours(y, replace(RHYTHM, memory=5 * 52))


def truth(world: World, y: Floats) -> Floats:
    mean = world.mean[:, CURRENT:]
    return counts.surprise(y[:, CURRENT:], mean, mean * world.phi[:, None])


def eears(y: Floats) -> Floats:
    # A constant past gives no spread: without a floor most low series would alarm at one count.
    chance = counts.eears(y, CURRENT, floor=0.2)[2]
    return -np.log10(np.maximum(chance, 1e-12))


def ears_c1(y: Floats) -> Floats:
    base = np.lib.stride_tricks.sliding_window_view(y, 7, axis=1)[:, CURRENT - 7 : -1]
    return (y[:, CURRENT:] - base.mean(2)) / np.maximum(base.std(2, ddof=1), 0.2)


@threadpool_limits.wrap(1)
def farrington_flexible(y: Floats, years: int = 5, around: int = 3, out: int = 26) -> Floats:
    """Our replica: five years, ten seasonal levels, trend, weights at 2.58, plug-in NB quantile."""
    scores = np.zeros((len(y), WEEKS - CURRENT))
    lags = np.arange(out + 1, years * 52 + around + 1)
    far = lags % 52
    near = (far <= around) | (far >= 52 - around)
    level = np.minimum((far - around - 1) * 9 // (52 - 2 * around - 1), 8) + 1
    level = np.where(near, 0, level)
    for column, now in enumerate(range(CURRENT, WEEKS)):
        used = lags <= now
        x = np.stack(
            [np.ones(used.sum()), -lags[used] / 260, *(level[used] == k for k in range(1, 10))], 1
        ).astype(float)
        ridge = np.full((1, x.shape[1]), 1e-3)
        ridge[0, 0] = 0
        here = np.zeros((1, x.shape[1]))
        here[0, 0] = 1
        for block in counts._blocks(len(y), len(x)):
            past = y[block][:, now - lags[used]]
            ones = np.ones(past.shape)
            fitted = counts.fit(past, x, ridge.repeat(len(past), 0), ones[0], ones, told=False)
            mean = fitted.mean(here, np.ones(1))[:, 0]
            phi = np.maximum(fitted.phi, 1.0001)
            tail = nbinom.sf(y[block, now] - 1, mean / (phi - 1), 1 / phi)
            scores[block, column] = -np.log10(np.maximum(tail, 1e-300))
    return scores


# --- measures ---------------------------------------------------------------------------------


def found(alarms: NDArray[np.bool_], outbreak: NDArray[np.int64]) -> tuple[float, float]:
    """Return POD (any alarm from the first to the last week with cases) and POD in week one."""
    cases = outbreak[:, CURRENT:] > 0
    first = cases.argmax(1)
    last = cases.shape[1] - 1 - cases[:, ::-1].argmax(1)
    week = np.arange(cases.shape[1])
    during = (week >= first[:, None]) & (week <= last[:, None])
    return (
        float((alarms & during).any(1).mean()),
        float(alarms[np.arange(len(alarms)), first].mean()),
    )


def rows(name: str, struck: Floats, quiet: Floats, outbreak: NDArray[np.int64]) -> list[Metric]:
    """Return POD and POD₁ at each rate that outbreak-free current weeks give this detector."""
    told = []
    for rate in RATES:
        limit = np.quantile(quiet, 1 - rate)
        pod, first = found(struck > limit, outbreak)
        wanted = ("≥ 0,57", "≥ 0,42") if name == "nôtre" and rate == 0.01 else ("", "")
        at = f"{name}, taux de fausses alertes {rate:.1%}"
        told.append(Metric(f"{at} : POD", round(pod, 4), aim=wanted[0]))
        told.append(Metric(f"{at} : POD semaine 1", round(first, 4), aim=wanted[1]))
        realised = float((quiet > limit).mean())
        if abs(realised / rate - 1) > 0.1:
            told.append(Metric(f"{at} : taux réalisé (ex æquo)", round(realised, 4)))
    return told


def calibration(name: str, quiet: Floats, scenario: NDArray[np.int64]) -> list[Metric]:
    """Return how far from nominal the rate of each scenario is when −log10 p is believed."""
    told = []
    for rate in RATES:
        alarms = (quiet > -np.log10(rate)).mean(1)
        each = np.bincount(scenario, alarms) / np.bincount(scenario) / rate
        at = f"{name}, seuil nominal {rate:.1%}"
        out = int(((each < 1 / 1.5) | (each > 1.5)).sum())
        aim = "0 sur 42" if name == "nôtre" else ""
        told += [
            Metric(f"{at} : taux réalisé / nominal, moyenne", round(float(each.mean()), 3)),
            Metric(f"{at} : le plus bas", round(float(each.min()), 3)),
            Metric(f"{at} : le plus haut", round(float(each.max()), 3)),
            Metric(f"{at} : scénarios hors d'un facteur 1,5", out, "scénarios", aim),
        ]
    return told


# --- R ----------------------------------------------------------------------------------------

SCRIPT = """
suppressMessages(library(surveillance))
files <- commandArgs(TRUE); y <- as.matrix(read.csv(files[1], header = FALSE)); at <- 576:624
ff <- function(s) farringtonFlexible(s, list(range = at, b = 5, w = 3, reweight = TRUE,
  weightsThreshold = 2.58, verbose = FALSE, glmWarnings = FALSE, alpha = 0.01, trend = TRUE,
  pThresholdTrend = 1, limit54 = c(0, 4), powertrans = "2/3",
  fitFun = "algo.farrington.fitGLM.flexible", populationOffset = FALSE, noPeriods = 10,
  pastWeeksNotIncluded = 26, thresholdMethod = "nbPlugin"))
c1 <- function(s) earsC(s, control = list(range = at, method = "C1", baseline = 7, alpha = 0.01))
days <- seq.Date(as.Date("2000-01-03"), by = "week", length.out = nrow(y))
all <- lapply(seq_len(ncol(y)), function(j) sts(observed = y[, j], frequency = 52, epoch = days))
clock <- function(f) { t <- proc.time()[["elapsed"]]
  r <- lapply(all, function(s) suppressWarnings(f(s)))
  list(seconds = proc.time()[["elapsed"]] - t, results = r) }
a <- clock(ff); b <- clock(c1)
p <- sapply(a$results, function(r) as.numeric(r@control$pvalue))
u <- sapply(b$results, function(r) as.numeric(upperbound(r)))
if (length(p) == 0 || !is.numeric(p)) stop("no p-value from farringtonFlexible")
write.table(rbind(c(a$seconds, rep(0, ncol(y) - 1)), c(b$seconds, rep(0, ncol(y) - 1)), p, u),
  files[2], sep = ",", row.names = FALSE, col.names = FALSE)
"""


def surveillance(world: World, replicates: int) -> list[Metric]:
    """Measure R's own Farrington Flexible on some series of each scenario, and its speed."""
    if not shutil.which("Rscript"):
        print(_ABSENT, file=sys.stderr)
        return []
    per = len(world.struck) // 42
    drawn = np.arange(42)[:, None] + np.arange(replicates) * max(per // max(replicates, 1), 1)
    kept = (np.arange(42)[:, None] * per + drawn % per).ravel()  # outbreaks of all sizes
    series = np.concatenate([world.struck[kept], world.quiet[kept]])
    with tempfile.TemporaryDirectory() as folder:
        given, answer, script = (Path(folder) / name for name in ("y.csv", "r.csv", "run.R"))
        np.savetxt(given, series.T, fmt="%d", delimiter=",")
        script.write_text(SCRIPT, "utf-8")
        run = subprocess.run(  # noqa: S603
            ["Rscript", str(script), str(given), str(answer)],  # noqa: S607
            capture_output=True,
            text=True,
        )
        if run.returncode:
            print(f"{_ABSENT}\n{run.stderr.strip()[-300:]}", file=sys.stderr)
            return []
        table = np.genfromtxt(answer, delimiter=",", missing_values="NA")
    seconds, seconds_c1 = table[0, 0], table[1, 0]
    scores = -np.log10(np.clip(np.nan_to_num(table[2 : 2 + 49].T, nan=1), 1e-300, 1))
    bounds = table[2 + 49 :].T
    evaluations = series.shape[0] * 49
    began = time.perf_counter()
    mine = ours(series)
    took = time.perf_counter() - began
    base = np.lib.stride_tricks.sliding_window_view(series, 7, axis=1)[:, CURRENT - 7 : -1]
    replica = base.mean(2) + 2.3263478740408408 * base.std(2, ddof=1)
    far = farrington_flexible(series)
    half = len(kept)
    told = [
        Metric("R, séries vues (moitié avec épidémie)", len(series), "séries"),
        Metric("R farringtonFlexible", round(evaluations / seconds, 1), "évaluations/s, 1 cœur"),
        Metric("R earsC (C1)", round(evaluations / seconds_c1, 1), "évaluations/s, 1 cœur"),
        Metric("nôtre, mêmes séries", round(evaluations / took), "évaluations/s, 1 cœur"),
        Metric("nôtre / R farringtonFlexible", round(seconds / took, 1), "fois", "≥ 100"),
        Metric(
            "réplique C1 : seuils égaux à ceux de R (à 10⁻⁶)",
            round(float((np.abs(replica - bounds) < 1e-6 * (1 + np.abs(bounds))).mean()), 4),
        ),
        Metric(
            "réplique Farrington : même décision que R à 1 %",
            round(float(((far > 2) == (scores > 2)).mean()), 4),
        ),
    ]
    for name, s in {"R farringtonFlexible": scores, "nôtre, mêmes séries": mine}.items():
        told += rows(name, s[:half], s[half:], world.outbreak[kept])
    return told


_ABSENT = (
    "R ou `surveillance` absent : la comparaison avec R est passée. "
    "Remède : apt-get install -y r-base-core r-cran-surveillance"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="graine du tirage")
    parser.add_argument("--replicates", type=int, default=100, help="séries par scénario (100)")
    parser.add_argument(
        "--r-replicates", type=int, default=2, help="séries par scénario données à R (2 ; 0 : sans)"
    )
    given = parser.parse_args()
    world = generate(given.seed, given.replicates)
    more = generate(given.seed + 1_000_000, 3 * given.replicates)  # rates need more quiet weeks
    metrics: list[Metric] = []
    for name, detector in {
        "nôtre": ours,
        "nôtre, cinq ans de passé": ours_five_years,
        "Farrington Flexible": farrington_flexible,
        "EARS C1": ears_c1,
        "eEARS": eears,
        TRUTH: lambda y: truth(world, y),
    }.items():
        began = time.perf_counter()
        struck, quiet = detector(world.struck), detector(world.quiet)
        took = time.perf_counter() - began
        metrics += rows(name, struck, quiet, world.outbreak)
        if name in ("nôtre", TRUTH):
            others = ours(more.quiet) if name == "nôtre" else truth(more, more.quiet)
            scenario = np.concatenate([world.scenario, more.scenario])
            metrics += calibration(name, np.concatenate([quiet, others]), scenario)
        speed = 2 * struck.size / took
        metrics.append(Metric(f"{name} : vitesse", round(speed), "évaluations/s"))
        print(f"{name} : {took:.0f} s", file=sys.stderr)
    if given.r_replicates:
        metrics += surveillance(world, given.r_replicates)
    record("noufaily", metrics, seed=given.seed, replicates=given.replicates)


if __name__ == "__main__":
    main()
