"""Volumes against labelled windows, scored as the Numenta Anomaly Benchmark scores.

`python -m benchmarks.nab --data DIR`: DIR is a folder of NAB (`data/**.csv`,
`labels/combined_windows.json`) or a flat one (`*.csv`, `windows.json`).
"""

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import Metric, record
from dbt_project.udfs import counts, volumes

Floats = NDArray[np.float64]
Scores = Mapping[str, Floats]  # of each series, row by row

PROFILES = {  # true positive, false negative, false positive
    "standard": (1.0, 1.0, 0.11),
    "reward_low_FP": (1.0, 1.0, 0.22),
    "reward_low_FN": (1.0, 2.0, 0.11),
}
AIMS = {"standard": "≥ 75", "reward_low_FP": "≥ 68"}


@dataclass(frozen=True)
class Labelled:
    """One series, its windows as (first row, last row), and the rows that are not scored."""

    at: NDArray[np.datetime64]
    values: Floats
    windows: list[tuple[int, int]]

    @property
    def probation(self) -> int:
        return int(0.15 * min(len(self.values), 5000))


Corpus = Mapping[str, Labelled]

# The corpus -----------------------------------------------------------------------------------


def read(folder: Path) -> dict[str, Labelled]:
    """Read every labelled series of `folder`, in either layout."""
    labels = [folder / "labels" / "combined_windows.json", folder / "windows.json"]
    told = next((path for path in labels if path.is_file()), None)
    if told is None:
        raise SystemExit(
            f"{folder} ne contient ni labels/combined_windows.json (avec data/) ni windows.json : "
            "donner avec --data la racine d'un dossier NAB, ou un dossier plat."
        )
    corpus = {}
    for name, spans in sorted(json.loads(told.read_text("utf-8")).items()):
        places = (folder / "data" / name, folder / name, folder / Path(name).name)
        path = next((path for path in places if path.is_file()), None)
        if path is None:
            print(f"{name} : nommé par {told.name}, absent du dossier, laissé de côté.")
        else:
            corpus[name] = _labelled(path, spans)
    if not corpus:
        raise SystemExit(f"{folder} : aucune des séries que nomme {told.name} n'y est.")
    return corpus


def _labelled(path: Path, spans: list[list[str]]) -> Labelled:
    text = path.read_text("utf-8-sig")
    rows = csv.DictReader(text.splitlines(), delimiter=";" if ";" in text[:200] else ",")
    try:
        told = [(row["timestamp"], row["value"]) for row in rows]
        at = np.array([_plain(when) for when, _ in told], "datetime64[us]")
        values = np.array([float(value or "nan") for _, value in told])
    except (KeyError, ValueError) as error:
        raise SystemExit(
            f"{path} : colonnes « timestamp » et « value » attendues ({error})."
        ) from None
    windows = []
    for first, last in spans:
        within = (at >= np.datetime64(_plain(first))) & (at <= np.datetime64(_plain(last)))
        if not within.any():
            raise SystemExit(f"{path} : aucune ligne dans la fenêtre {first} – {last}.")
        places = np.flatnonzero(within)
        windows.append((int(places[0]), int(places[-1])))
    return Labelled(at, values, sorted(windows))


def _plain(when: str) -> str:
    return when.strip().replace(" ", "T").removesuffix("Z")


# NAB's score ----------------------------------------------------------------------------------


def _sigmoid(position: Floats | float) -> Floats:
    """Worth of a row by its place: -1 at a window's start, 0 at its end, positive after it."""
    place = np.asarray(position, float)
    return np.where(place >= 3, -1.0, 2 / (1 + np.exp(5 * np.minimum(place, 3))) - 1)


def worth(series: Labelled) -> tuple[Floats, NDArray[np.int64]]:
    """Return what a detection at each row is worth, unweighted, and its window (-1: none)."""
    rows = np.arange(len(series.values))
    value = np.full(len(rows), -1.0)
    window = np.full(len(rows), -1)
    for number, (first, last) in enumerate(series.windows):
        width = last - first + 1
        inside = slice(first, last + 1)
        value[inside] = _sigmoid(-(last - rows[inside] + 1) / width) / _sigmoid(-1.0)
        window[inside] = number
        value[last + 1 :] = _sigmoid((rows[last + 1 :] - last) / max(width - 1, 1))
    return value, window


def sweep(corpus: Corpus, scores: Scores, profile: str) -> tuple[Floats, Floats]:
    """Return every threshold, highest first, and what it gains over finding nothing."""
    hit, miss, false = PROFILES[profile]
    levels, gains = [np.array([np.inf])], [np.zeros(1)]
    for name, series in corpus.items():
        value, window = (part[series.probation :] for part in worth(series))
        level = np.asarray(scores[name], float)[series.probation :]
        order = np.argsort(-level, kind="stable")
        for number in np.unique(window):
            rows = order[window[order] == number]
            if number < 0:
                gain = false * value[rows]
            else:  # only the best row of a window counts
                gain = np.diff(np.maximum.accumulate(hit * value[rows]), prepend=-miss)
            levels.append(level[rows])
            gains.append(gain)
    level, gain = np.concatenate(levels), np.concatenate(gains)
    order = np.argsort(-level, kind="stable")
    level, total = level[order], np.cumsum(gain[order])
    last = np.append(level[1:] != level[:-1], True)
    return level[last], total[last]


def perfect(corpus: Corpus, profile: str) -> float:
    """Return what finding each window at its first row, and nothing else, gains."""
    hit, miss, _ = PROFILES[profile]
    scored = sum(last >= s.probation for s in corpus.values() for _, last in s.windows)
    return hit * sum(len(series.windows) for series in corpus.values()) + miss * scored


def gained(corpus: Corpus, scores: Scores, threshold: float, profile: str) -> float:
    thresholds, gains = sweep(corpus, scores, profile)
    return float(gains[np.flatnonzero(thresholds >= threshold)[-1]])


def at(corpus: Corpus, scores: Scores, threshold: float, profile: str = "standard") -> float:
    """Return the score out of 100 under a threshold; where there is no window, the points lost."""
    best = perfect(corpus, profile)
    return gained(corpus, scores, threshold, profile) * (100 / best if best else 1)


def best_threshold(corpus: Corpus, scores: Scores, profile: str = "standard") -> float:
    """Return the threshold that serves the whole corpus best, as NAB's optimiser finds it."""
    thresholds, gains = sweep(corpus, scores, profile)
    return float(thresholds[np.argmax(gains)])


def left_out(corpus: Corpus, scores: Scores, profile: str = "standard") -> float | None:
    """Return the score when the threshold of each category is chosen on the others.

    With one category only, each series is left out in turn.
    """
    groups = list(parts(corpus).values())
    if len(groups) < 2:
        return None
    total = 0.0
    for group in groups:
        others = {name: series for name, series in corpus.items() if name not in group}
        total += gained(group, scores, best_threshold(others, scores, profile), profile)
    return 100 * total / perfect(corpus, profile)


def parts(corpus: Corpus) -> dict[str, dict[str, Labelled]]:
    """Group the series by category (NAB's folders), or one by one where there is but one."""
    groups: dict[str, dict[str, Labelled]] = {}
    for name, series in corpus.items():
        groups.setdefault(name.rpartition("/")[0], {})[name] = series
    return groups if len(groups) > 1 else {name: {name: corpus[name]} for name in corpus}


# Detectors ------------------------------------------------------------------------------------


def ensemble(series: Labelled) -> Floats:
    return volumes.score(series.at, series.values, series.probation)


def windowed_gaussian(series: Labelled, width: int = 1000) -> Floats:
    """NAB's simplest reference: distance to the mean of the last thousand values."""
    return _distance(series.values, width)


def trailing_z(series: Labelled) -> Floats:
    """Distance to the mean of the seven days before."""
    return _distance(series.values, 7 * _per_day(series))


def eears(series: Labelled) -> Floats:
    """Surprise of eEARS against the same bin of the seven days before, as users may choose it."""
    values, day = np.nan_to_num(series.values), _per_day(series)
    told = np.zeros(len(values))
    if len(values) > 7 * day:
        floor = max(1e-6, 0.02 * float(np.median(np.abs(values[: series.probation]))))
        chance = counts.eears(values[None], 7 * day, step=day, floor=floor)[2]
        told[7 * day :] = -np.log10(np.maximum(chance[0], 1e-50))
    return told


def _once(detector: Callable[[Labelled], Floats]) -> Callable[[Labelled], Floats]:
    """The same detector, an alert being told once."""

    def told(series: Labelled) -> Floats:
        raw = detector(series)
        return volumes.stand_out(raw, max(5, series.probation // 10))

    return told


def _distance(values: Floats, width: int) -> Floats:
    values = np.nan_to_num(values)
    rows = np.arange(len(values))
    first = np.maximum(rows - width, 0)
    known = np.maximum(rows - first, 1)
    centred = values - values[0]
    sums, squares = (np.concatenate(([0.0], np.cumsum(part))) for part in (centred, centred**2))
    mean = (sums[rows] - sums[first]) / known
    spread = np.sqrt(np.maximum((squares[rows] - squares[first]) / known - mean**2, 0))
    return np.abs(centred - mean) / np.maximum(spread, 1e-6)


def _per_day(series: Labelled) -> int:
    steps = np.diff(series.at) / np.timedelta64(1, "D")
    return max(1, round(1 / float(np.median(steps[steps > 0]))))


DETECTORS = {
    "ensemble": ensemble,
    "gaussienne glissante": windowed_gaussian,
    "gaussienne glissante, une alerte par fait": _once(windowed_gaussian),
    "écart à 7 jours, une alerte par fait": _once(trailing_z),
    "eEARS, une alerte par fait": _once(eears),
}


def measure(corpus: Corpus) -> Iterable[Metric]:
    """Yield the figures of every detector, ours in detail."""
    for name, detector in DETECTORS.items():
        begun = time.perf_counter()
        scores = {file: detector(series) for file, series in corpus.items()}
        spent = time.perf_counter() - begun
        ours = detector is ensemble
        chosen = {profile: best_threshold(corpus, scores, profile) for profile in PROFILES}
        for profile, threshold in chosen.items():
            score = at(corpus, scores, threshold, profile)
            aim = AIMS.get(profile, "") if ours else ""
            yield Metric(f"{name} · {profile} · seuil du corpus", score, "sur 100", aim)
        others = f"{name} · standard · seuil choisi sur les autres"
        yield Metric(others, left_out(corpus, scores), "sur 100")
        yield Metric(f"{name} · seuil du corpus", chosen["standard"])
        if not ours:
            continue
        for profile in PROFILES:
            score = at(corpus, scores, volumes.THRESHOLD, profile)
            yield Metric(f"{name} · {profile} · seuil gelé", score, "sur 100")
        yield Metric(f"{name} · seuil gelé", volumes.THRESHOLD)
        for part, members in parts(corpus).items():
            unit = "sur 100" if perfect(members, "standard") else "points perdus"
            for what, threshold in (("du corpus", chosen["standard"]), ("gelé", volumes.THRESHOLD)):
                yield Metric(f"{part} · seuil {what}", at(members, scores, threshold), unit)
        points = sum(len(series.values) for series in corpus.values())
        yield Metric(f"{name} · vitesse", round(points / spent), "points/s")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nab", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path("../shared/data/nab_realtweets_dev"), metavar="DIR"
    )
    options = parser.parse_args()
    corpus = read(options.data)
    record(
        "nab",
        measure(corpus),
        data=str(options.data),
        series=len(corpus),
        windows=sum(len(series.windows) for series in corpus.values()),
        points=sum(len(series.values) for series in corpus.values()),
        method=volumes.VERSION,
    )


if __name__ == "__main__":
    main()
