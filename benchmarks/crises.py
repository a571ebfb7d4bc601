"""Hourly counts of real crises: hours until the first alarm, and alarms for nothing when quiet.

The file has one row per event and hour with tweets (`event`, `hour_utc`, `tweet_count`); an hour
without a row, between the first and the last of its event, is a zero. The file begins with the
crisis or a few hours before, so two quiet months are put before each event. Their hours are drawn,
with the seed, from those that real events show before they break out (their first hour of ten
tweets, or of a tenth of their peak if that is less). Quiet months alone give the false alarms.

eEARS is read twice: as epitweetr does, at each hour, the last 24 hours against the seven blocks of
24 hours before; and hour by hour, against the same hour of the seven days before.
"""

import argparse
import csv
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import Metric, record
from dbt_project.udfs import counts

Floats = NDArray[np.float64]

QUIET = 60 * 24  # hours put before: a month to learn from, a month to be quiet in
WATCHED = 30 * 24
SURPRISE = 4.0  # one false alarm in ten thousand hours, a bit more than a year
GIVEN = Path("../shared/data/crisislext26_hourly_counts.csv")


def read(path: Path) -> dict[str, tuple[np.datetime64, Floats]]:
    """Return each event's first hour and counts, zeros filled."""
    if not path.is_file():
        sys.exit(f"Fichier absent : {path}. Remède : --data CSV (event, hour_utc, tweet_count).")
    text = path.read_text("utf-8-sig")
    mark = ";" if text.split("\n", 1)[0].count(";") > 1 else ","
    rows = list(csv.DictReader(text.splitlines(), delimiter=mark))
    columns = {"event", "hour_utc", "tweet_count"}
    if not rows or not columns <= rows[0].keys():
        sys.exit(f"{path} : colonnes attendues {', '.join(sorted(columns))}.")
    hour = np.array([row["hour_utc"].rstrip("Z") for row in rows], "datetime64[h]")
    panel = counts.panel(
        [row["event"] for row in rows], hour, [float(row["tweet_count"]) for row in rows], "h"
    )
    events = {}
    for name, series in zip(panel.ids, panel.counts, strict=True):
        seen = np.flatnonzero(~np.isnan(series))
        span = slice(seen[0], seen[-1] + 1)
        events[str(name)] = (panel.times[seen[0]], np.nan_to_num(series[span]))
    return events


def onset(series: Floats) -> int:
    """Return the first hour of ten tweets, or of a tenth of the peak if that is less."""
    return int(np.argmax(series >= min(10, series.max() / 10)))


def quiet_hours(events: dict[str, tuple[np.datetime64, Floats]]) -> Floats:
    """Return the hours of all events before they break out."""
    before = [series[: onset(series)] for _, series in events.values()]
    return np.concatenate(before)


def ours(panel: Floats, times: counts.Times) -> Floats:
    found = counts.score(panel, times, counts.HEURE, QUIET - WATCHED)
    return np.where(found.observed >= 3, np.maximum(found.peak, found.slow), 0)


def eears(panel: Floats, times: counts.Times) -> Floats:
    total = np.cumsum(np.pad(panel, [(0, 0), (1, 0)]), 1)
    day = np.pad(total[:, 24:] - total[:, :-24], [(0, 0), (23, 0)])
    chance = counts.eears(day, QUIET - WATCHED, step=24, floor=0.5)[2]
    return -np.log10(np.maximum(chance, 1e-50))


def eears_by_hour(panel: Floats, times: counts.Times) -> Floats:
    chance = counts.eears(panel, QUIET - WATCHED, step=24, floor=0.5)[2]
    return np.where(panel[:, QUIET - WATCHED :] >= 3, -np.log10(np.maximum(chance, 1e-50)), 0)


def episodes(alarms: NDArray[np.bool_]) -> int:
    """Count alarms as an officer would: what goes on within 24 hours is the same one."""
    return int(counts.news(alarms, 24).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=GIVEN, help=f"fichier CSV ({GIVEN})")
    parser.add_argument("--seed", type=int, default=1, help="graine des mois calmes (1)")
    given = parser.parse_args()
    events = read(given.data)
    pool = quiet_hours(events)
    rng = np.random.default_rng(given.seed)
    length = QUIET + max(len(series) for _, series in events.values())
    detectors = {"nôtre": ours, "eEARS": eears, "eEARS par heure": eears_by_hour}
    # A series ends with its event; quiet twins of the same length give the false alarms.
    scores: dict[str, list[Floats]] = {name: [] for name in detectors}
    spent = dict.fromkeys(detectors, 0.0)
    past = rng.choice(pool, (len(events), length))
    twins = rng.choice(pool, (200, QUIET))
    hours = np.arange(length)
    for (first, series), row in zip(events.values(), past, strict=True):
        whole = np.concatenate([row[:QUIET], series])[None]
        times = first - QUIET + hours[: whole.shape[1]]
        for name, detector in detectors.items():
            began = time.perf_counter()
            scores[name].append(detector(whole, times)[0, WATCHED:])
            spent[name] += time.perf_counter() - began
    calm = np.datetime64("2013-03-01", "h") + hours[:QUIET]
    silent = {name: detector(twins, calm) for name, detector in detectors.items()}
    months = twins.shape[0] * WATCHED / (30 * 24)
    metrics = [
        Metric("événements", len(events)),
        Metric("mois calmes tirés", round(months), "mois"),
        Metric("heures calmes réelles dont ils sont tirés", len(pool), "heures"),
    ]

    def limit(name: str, wanted: float) -> float:
        """Return the lowest threshold that gives at most `wanted` false alarms a month."""
        for bar in np.arange(1, 30, 0.05):
            if episodes(silent[name] > bar) / months <= wanted:
                return float(bar)
        return 30.0

    mine = episodes(silent["nôtre"] > SURPRISE) / months
    settings = [
        ("nôtre", "nôtre, seuil publié (10⁻⁴)", SURPRISE),
        ("nôtre", "nôtre, une fausse alerte par an", limit("nôtre", 1 / 12)),
        ("eEARS", "eEARS, α = 0,025", -np.log10(0.025)),
        ("eEARS", "eEARS, autant de fausses alertes que le nôtre", limit("eEARS", mine)),
        ("eEARS", "eEARS, une fausse alerte par an", limit("eEARS", 1 / 12)),
        ("eEARS par heure", "eEARS par heure, α = 0,025", -np.log10(0.025)),
        (
            "eEARS par heure",
            "eEARS par heure, autant de fausses alertes que le nôtre",
            limit("eEARS par heure", mine),
        ),
    ]
    for name, said, bar in settings:
        delays, late, missed = [], [], 0
        for (_, series), score in zip(events.values(), scores[name], strict=True):
            alarm = score > bar
            if not alarm.any():
                missed += 1
                continue
            delays.append(int(alarm.argmax()))
            after = alarm[onset(series) :]
            late.append(int(after.argmax()) if after.any() else len(series))
        metrics += [
            Metric(f"{said} : délai depuis la première heure, médiane", _median(delays), "h"),
            Metric(f"{said} : délai depuis l'éclatement, médiane", _median(late), "h"),
            Metric(f"{said} : éclatements vus dans l'heure", sum(d == 0 for d in late)),
            Metric(f"{said} : éclatements vus sous 3 h", sum(d < 3 for d in late)),
            Metric(f"{said} : délai le plus long depuis l'éclatement", max(late, default=0), "h"),
            Metric(f"{said} : événements jamais vus", missed),
            Metric(
                f"{said} : fausses alertes par mois calme",
                round(episodes(silent[name] > bar) / months, 3),
            ),
        ]
    record(
        "crises",
        metrics,
        seed=given.seed,
        quiet_before_h=QUIET,
        onset="dix tweets, ou le dixième du pic",
    )


def _median(delays: list[int]) -> float | None:
    return float(np.median(delays)) if delays else None


if __name__ == "__main__":
    main()
