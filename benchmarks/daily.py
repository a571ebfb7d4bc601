"""Daily counts with weekdays and bank holidays: is an outbreak found, and how soon?

A folder holds `totals_K.csv` and `outbreaks_K.csv`, one pair per signal: a row per day (the first
is a Monday unless a date column says otherwise), a column per replicate, the outbreak (cases added)
in the last 49 weeks. `--generate` writes such a folder: sixteen signals after Noufaily, Morbey et
al. (Bioinformatics 35, 2019), drawn here.

Nothing is learnt from the labels. For each signal and detector the threshold is the one that gives
98 % specificity on the days without outbreak. POD: an alarm on a day with cases. Timeliness: first
such day, from the start, over the length; 1 if never.
"""

import argparse
import csv
import re
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import Metric, record
from dbt_project.udfs import counts

Floats = NDArray[np.float64]

YEARS, CURRENT = 7, 49 * 7
MONDAY = np.datetime64("2012-01-02", "D")  # of a folder without dates
SPECIFICITY = 0.98


# --- generator --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Law:
    """One signal: mean on a log scale, over-dispersion, days open in a week, yearly wave."""

    days: int
    year: int
    week: int
    level: float
    trend: float
    yearly: tuple[float, float]
    weekly: tuple[float, float]
    phi: float
    shift: int
    scale: float = 1
    wave: tuple[int, int, float] | None = None  # first and last day it may start, size in sd

    def mean(self) -> Floats:
        day = np.arange(1, YEARS * 52 * self.days + 1) + self.shift
        log = self.level + self.trend * day
        for count, period, (cosine, sine) in (
            (self.year, 52 * self.days, self.yearly),
            (self.week, self.days, self.weekly),
        ):
            for k in range(1, count + 1):
                angle = 2 * np.pi * k * day / period
                log = log + cosine * np.cos(angle) + sine * np.sin(angle)
        return np.exp(log)


LAWS = {
    1: Law(7, 1, 2, 6, 0, (0.2, 0.2), (0.5, 0.4), 2, 29),
    2: Law(7, 1, 2, 0.5, 0, (1.5, 1.4), (0.5, 0.4), 1, -167),
    3: Law(7, 0, 2, 5.5, 0, (0, 0), (0.3, 0.25), 1, 1),
    4: Law(7, 0, 2, 2, 0, (0, 0), (0.3, 0.25), 1, 1),
    5: Law(5, 1, 1, 6, 0, (0.3, 2), (0.3, 0.5), 1.5, -50, 10, (1, 20, 1200)),
    6: Law(5, 1, 1, 1, 0, (0.1, 2), (0.05, 0.05), 1, -50, 1, (1, 20, 750)),
    7: Law(5, 0, 1, 6, 0.0001, (0, 0), (0.6, 0.9), 1.5, 0, 10),
    8: Law(5, 1, 1, 3, 0, (1.5, 0.1), (0.2, 0.3), 1, -150),
    9: Law(5, 1, 1, 3, 0, (0.2, 0.1), (0.05, 0.15), 1, -200),
    10: Law(5, 1, 1, 5, 0, (0.2, 0.1), (0.05, 0.1), 1, 0),
    11: Law(5, 2, 1, 0.5, 0, (0.4, 0), (0.05, 0.15), 1, 0),
    12: Law(5, 1, 1, 9, 0, (0.5, 0.2), (0.2, 0.5), 1, 0, 100),
    13: Law(7, 1, 2, 2, 0.0005, (0.8, 0.8), (0.8, 0.4), 4, 57),
    14: Law(7, 4, 1, 0.05, 0, (0.01, 0.01), (1.8, 0.1), 1, -85),
    15: Law(7, 1, 2, 3, 0, (0.8, 0.6), (0.8, 0.4), 4, 29, 1, (210, 230, 3150)),
    16: Law(7, 0, 2, 6, 0, (0, 0), (0.8, 0.4), 4, 1),
}
WAVE_OF_15 = Law(7, 1, 1, 1, 0, (0.1, 2), (0.05, 0.05), 1, -50)
SIZED_BY = {13: 1, 14: 13}  # these outbreaks are as large as another signal's


def generate(folder: Path, seed: int, replicates: int) -> None:
    """Write sixteen signals: weekdays, trend, season, French bank holidays, waves, outbreaks."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    days = MONDAY + np.arange(YEARS * 364)
    closed = np.isin(days, counts.holidays(2012, 2019))
    for signal, law in LAWS.items():
        open_days = np.arange(len(days)) % 7 < law.days
        mean, size = law.mean(), LAWS[SIZED_BY.get(signal, signal)]
        spread = np.sqrt(size.mean() * size.phi)
        totals, outbreaks = [], []
        for _ in range(replicates):
            y = _draw(rng, mean, law.phi) / law.scale
            start = int(rng.integers(len(y) - 49 * law.days, len(y)))
            hit = _outbreak(rng, start, spread[start] * 5 * law.days, 0.25, law.days, len(y))
            y = y + hit
            if law.wave:
                first, last, factor = law.wave
                source = WAVE_OF_15 if signal == 15 else law
                wide = np.sqrt(source.mean() * source.phi)
                for year in range(YEARS):
                    at = int(rng.integers(first, last + 1)) + year * 52 * law.days
                    y = y + _outbreak(rng, at, wide[at] * factor, 0.02, 5, len(y))
            off = closed[open_days]
            if law.days == 5:  # closed on holidays, and half as many again the next open day
                y[1:][off[:-1]] *= 1.5
                y[off] = 0
            else:
                y[off] *= 2
            total, outbreak = np.zeros(len(days)), np.zeros(len(days))
            total[open_days], outbreak[open_days] = np.round(y), np.round(hit)
            totals.append(total)
            outbreaks.append(outbreak)
        for name, values in (("totals", totals), ("outbreaks", outbreaks)):
            header = ",".join(f"X{k + 1}" for k in range(replicates))
            path = folder / f"{name}_{signal}.csv"
            np.savetxt(
                path, np.array(values).T, fmt="%d", delimiter=",", header=header, comments=""
            )


def _draw(rng: np.random.Generator, mean: Floats, phi: float) -> Floats:
    drawn = rng.poisson(mean) if phi == 1 else rng.negative_binomial(mean / (phi - 1), 1 / phi)
    return drawn.astype(float)


def _outbreak(
    rng: np.random.Generator, start: int, size: float, step: float, week: int, length: int
) -> Floats:
    """Spread Poisson(size) cases log-normally; some weekdays report more."""
    cases = max(2, int(rng.poisson(size)))
    day = start + np.floor(rng.lognormal(0, 0.5, cases) / step).astype(int)
    usual = np.array([1.1, 1.5, 1.1, 1, 1] if week == 5 else [2, 1, 1, 1, 1, 1, 2])
    spread = np.bincount(day[day < length], minlength=length).astype(float)
    return spread * usual[np.arange(1, length + 1) % week]


# --- reading ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signal:
    """Replicates (rows) × days (columns)."""

    name: str
    totals: Floats
    outbreaks: Floats
    days: counts.Times


def read(folder: Path) -> list[Signal]:
    """Read every pair of files, with or without header, row numbers or dates, `,` or `;`."""
    found: dict[str, dict[str, Path]] = {"totals": {}, "outbreaks": {}}
    for path in sorted(folder.glob("*.csv")):
        told = re.search(r"(?<!seasonal_)(totals|outbreaks)\D*(\d+)", path.stem.lower())
        if told:
            found[told[1]][str(int(told[2]))] = path
    both = sorted(found["totals"].keys() & found["outbreaks"].keys(), key=int)
    if not both:
        sys.exit(
            f"Aucune paire totals_K.csv et outbreaks_K.csv dans {folder}. "
            "Remède : python -m benchmarks.daily --generate DOSSIER --seed 1, puis --data DOSSIER."
        )
    signals = []
    for name in both:
        totals, dates = _table(found["totals"][name])
        outbreaks, _ = _table(found["outbreaks"][name])
        if totals.shape != outbreaks.shape:
            sys.exit(
                f"Signal {name} : {totals.shape} totaux et {outbreaks.shape} épidémies "
                "(jours, répliques). Remède : les deux fichiers doivent avoir la même forme."
            )
        days = MONDAY + np.arange(len(totals)) if dates is None else dates
        signals.append(Signal(name, totals.T, outbreaks.T, days))
    return signals


def _table(path: Path) -> tuple[Floats, counts.Times | None]:
    text = path.read_text("utf-8-sig", "replace")
    lines = [line for line in text.splitlines() if line.strip()]
    mark = max(",;\t", key=lines[-1].count) if lines else ","
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
    width = max((len(row) for row in rows[1:]), default=0)
    header = bool(rows) and any(_number(cell) is None and cell for cell in rows[0][1:])
    header = header or (bool(rows) and len(rows[0]) != width)
    rows = rows[header:]
    dates = None
    if rows and _number(rows[0][0]) is None:  # a date, or a row's name
        try:
            dates = np.array([row[0][:10] for row in rows], "datetime64[D]")
        except ValueError:
            dates = None
        rows = [row[1:] for row in rows]
    values = np.array([[_number(cell) or 0.0 for cell in row] for row in rows], float)
    if values.ndim == 2 and values.shape[1] > 1:
        first = values[:, 0]
        if np.array_equal(first, first[0] + np.arange(len(first))) and first[0] in (0, 1):
            values = values[:, 1:]  # row numbers
    return values, dates


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return 0.0 if cell.upper() in ("", "NA", "NAN") else None


def closed_days(signals: list[Signal]) -> counts.Times:
    """Return the working days on which what is open on working days only was shut everywhere.

    The folder does not say its bank holidays; the zeros that all replicates share do.
    """
    shut = []
    for signal in signals:
        total = signal.totals.sum(0)
        weekday = (signal.days.astype("datetime64[D]").astype(np.int64) + 3) % 7
        weekend = total[weekday >= 5].sum() == 0
        usual = np.median(total[weekday < 5])
        if weekend and usual >= 20:
            shut.append(signal.days[(weekday < 5) & (total == 0)])
    return np.unique(np.concatenate(shut)) if shut else np.array([], "datetime64[D]")


# --- detectors and measures -------------------------------------------------------------------


def ours(signal: Signal, bank: counts.Times) -> Floats:
    year = np.timedelta64(364, "D") * YEARS
    span = signal.days[-1] - signal.days[0] + 1
    rhythm = replace(counts.JOUR, year=364.0) if span == year else counts.JOUR
    start = len(signal.days) - CURRENT
    return counts.score(signal.totals, signal.days, rhythm, start - 7, bank).peak[:, 7:]


def eears(step: int) -> object:
    def score(signal: Signal, bank: counts.Times) -> Floats:
        start = signal.totals.shape[1] - CURRENT
        chance = counts.eears(signal.totals, start, step=step, floor=0.2)[2]
        return -np.log10(np.maximum(chance, 1e-12))

    return score


def ears_c1(signal: Signal, bank: counts.Times) -> Floats:
    y = signal.totals
    base = np.lib.stride_tricks.sliding_window_view(y, 7, axis=1)[:, -CURRENT - 1 : -1]
    return (y[:, -CURRENT:] - base.mean(2)) / np.maximum(base.std(2, ddof=1), 0.2)


def measure(score: Floats, outbreaks: Floats) -> tuple[float, float, float, float]:
    """Return POD, timeliness, sensitivity and POD of the first day at 98 % specificity."""
    ill = outbreaks[:, -CURRENT:] > 0
    alarm = score > np.quantile(score[~ill], SPECIFICITY)
    hit = alarm & ill
    pod, first = hit.any(1), ill.argmax(1)
    length = ill.shape[1] - ill[:, ::-1].argmax(1) - first
    late = np.where(pod, (hit.argmax(1) - first) / np.maximum(length, 1), 1.0)
    day_one = hit[np.arange(len(hit)), first]
    return (
        float(pod.mean()),
        float(late.mean()),
        float(hit.sum() / ill.sum()),
        float(day_one.mean()),
    )


DETECTORS = {
    "nôtre": ours,
    "eEARS, 7 jours": eears(1),
    "eEARS, même jour de semaine": eears(7),
    "EARS C1": ears_c1,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="dossier de totals_K.csv et outbreaks_K.csv")
    parser.add_argument("--generate", type=Path, help="écrire un tel dossier (et le mesurer)")
    parser.add_argument("--seed", type=int, default=1, help="graine du tirage (1)")
    parser.add_argument("--replicates", type=int, default=100, help="séries par signal (100)")
    given = parser.parse_args()
    if given.generate:
        generate(given.generate, given.seed, given.replicates)
    folder = given.data or given.generate
    if folder is None or not folder.is_dir():
        parser.error(f"dossier introuvable : {folder} (remède : --generate DOSSIER --seed 1)")
    signals = read(folder)
    bank = closed_days(signals)
    metrics = [
        Metric("signaux", len(signals)),
        Metric("jours fériés déduits des comptes", len(bank), "jours"),
    ]
    for name, detector in DETECTORS.items():
        began = time.perf_counter()
        each = {}
        for signal in signals:
            ill = signal.outbreaks[:, -CURRENT:].sum(1) > 0
            each[signal.name] = measure(detector(signal, bank)[ill], signal.outbreaks[ill])
        took = time.perf_counter() - began
        mean = np.mean(list(each.values()), 0)
        mine = name == "nôtre"
        metrics += [
            Metric(f"{name} : POD", round(float(mean[0]), 4), "", "≥ 0,95" if mine else ""),
            Metric(
                f"{name} : retard (timeliness)",
                round(float(mean[1]), 4),
                "",
                "≤ 0,11" if mine else "",
            ),
            Metric(f"{name} : sensibilité", round(float(mean[2]), 4)),
            Metric(f"{name} : POD du premier jour", round(float(mean[3]), 4)),
        ]
        if mine:
            days = sum(len(s.totals) for s in signals) * CURRENT
            metrics.append(Metric("nôtre : vitesse", round(days / took), "jours de série/s"))
            for key, (pod, late, *_rest) in each.items():
                metrics.append(
                    Metric(f"nôtre, signal {key} : POD / retard", f"{pod:.2f} / {late:.3f}")
                )
    told = {"seed": given.seed} if given.generate else {"data": folder}
    record("daily", metrics, replicates=len(signals[0].totals), **told)


if __name__ == "__main__":
    main()
