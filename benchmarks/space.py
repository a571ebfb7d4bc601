"""Planted clusters of départements: found, and located, against the same detector without space.

`python -m benchmarks.space --seed N`. Counts are drawn for 101 départements over 24 hours, as many
as people are; a connected cluster then gets so many times more over the last hours. Every detector
alarms once in a hundred on counts where nothing happens. With `--quiet-levels`, writes instead the
seed of levels that nothing reaches.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import nbinom

from benchmarks import Metric, record
from dbt_project.udfs import space

SEEDS = Path(__file__).parents[1] / "dbt_project" / "seeds"
LEVELS = SEEDS / "ref_scan_niveaux.csv"
HISTORY = 28 * 24  # hours that teach, where expectation is not given

Floats = NDArray[np.float64]
Detector = Callable[[Floats, Floats, float], float]


@dataclass(frozen=True)
class Case:
    """What is planted; `inhabitant`: the cluster begins where a random inhabitant lives."""

    volume: float = 300
    phi: float = 1
    size: int = 3
    ratio: float = 2
    hours: int = 6
    inhabitant: bool = True
    taught: bool = False
    aim: dict[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        where = f"{self.size} dép." if self.size < 101 else "national"
        told = f"{where} ×{self.ratio:g} {self.hours} h, {self.volume:g}/h, φ {self.phi:g}"
        told += "" if self.inhabitant else ", départ au hasard"
        return told + (", attendu appris" if self.taught else "")


LOCATED = {"précision": "≥ 0,9", "rappel": "≥ 0,9"}
CASES = [
    Case(aim={"trouvé": "≥ 0,92", **LOCATED}),
    Case(phi=1.6, aim={"trouvé": "≥ 0,75", **LOCATED}),
    Case(inhabitant=False),
    Case(phi=1.6, inhabitant=False),
    Case(taught=True),
    Case(phi=1.6, taught=True),
    *(Case(phi=phi, size=size) for phi in (1, 1.6) for size in (1, 2, 4, 5, 6)),
    *(Case(phi=phi, ratio=ratio) for phi in (1, 1.6) for ratio in (1.5, 3)),
    *(Case(phi=phi, volume=volume) for phi in (1, 1.6) for volume in (30, 60, 120, 600, 1200)),
    *(Case(phi=1.6, volume=volume, ratio=3) for volume in (30, 60, 120)),
    Case(phi=1.6, hours=3),
    Case(phi=1.6, hours=12),
    Case(phi=1.6, size=101, ratio=1.2),
]


def country() -> space.Zones:
    """Read the départements of the warehouse's seeds."""
    with (SEEDS / "ref_departements_centres.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (SEEDS / "ref_departements_voisins.csv").open(encoding="utf-8") as file:
        beside = [(row["departement_code"], row["voisin_code"]) for row in csv.DictReader(file)]
    columns = ("longitude", "latitude", "population_count")
    facts = ([float(row[column]) for row in rows] for column in columns)
    return space.zones([row["departement_code"] for row in rows], beside, *facts)


def known() -> Floats:
    return np.loadtxt(LEVELS, delimiter=",", skiprows=1)


def cluster(random: np.random.Generator, zones: space.Zones, case: Case) -> list[int]:
    """Draw a connected set: a first département, then neighbours at random; or the country."""
    if case.size == len(zones.codes):
        return list(range(case.size))
    people = zones.population / zones.population.sum()
    chosen: set[int] = set()
    while len(chosen) < case.size:
        around = sorted(set().union(*(zones.neighbours[one] for one in chosen)) - chosen)
        if not around:  # a start, or an island where there is no room
            start = random.choice(len(people), p=people if case.inhabitant else None)
            chosen = {int(start)}
        else:
            chosen.add(int(random.choice(around)))
    return sorted(chosen)


def world(
    random: np.random.Generator, zones: space.Zones, case: Case, planted: list[int]
) -> tuple[Floats, Floats, float]:
    """Draw the counts of the last hours; return them with what is expected and φ."""
    share = zones.population / zones.population.sum()
    mean = np.repeat(case.volume * share[:, None], space.HOURS, 1)
    raised = mean.copy()
    raised[planted, -case.hours :] *= case.ratio
    counts = space.draw(random, raised, case.phi)
    if not case.taught:
        return counts, mean, case.phi
    past = space.draw(random, np.repeat(mean[:, :1], HISTORY, 1), case.phi)
    taught = past.mean(1, keepdims=True) + 0.5 / HISTORY
    phi = float((past.var(1, ddof=1) / taught[:, 0]) @ share)
    return counts, np.repeat(taught, space.HOURS, 1), phi


def detectors(zones: space.Zones) -> dict[str, Detector]:
    """Ours, the same without space, and the usual scan by the greatest likelihood ratio."""

    def weighed(looked: space.Zones) -> Detector:
        return lambda counts, mean, phi: float(space.evidence(looked, counts, mean, phi)[0])

    def greatest(counts: Floats, mean: Floats, phi: float) -> float:
        seen, usual = (
            zones.sparse @ np.cumsum(part[:, ::-1], 1).astype(np.float32) for part in (counts, mean)
        )
        gain = seen * np.log(np.maximum(seen, 1e-9) / usual) - (seen - usual)
        return float(np.where(seen > usual, gain, 0).max() / phi)

    return {
        "zones": weighed(zones),
        "départements un à un": weighed(zones.only(zones.sizes == 1)),
        "national": weighed(zones.only(zones.sizes == len(zones.codes))),
        "plus grand rapport (usuel)": greatest,
    }


def ceiling(zones: space.Zones, case: Case) -> Detector:
    """The best that can be: size, duration and ratio are known, and only the place is sought."""
    alike = zones.members[zones.sizes == case.size].astype(float)

    def way(counts: Floats, mean: Floats, phi: float) -> float:
        seen, size = counts[:, -case.hours :], mean[:, -case.hours :] / (max(phi, 1.001) - 1)
        chance = 1 / max(phi, 1.001)
        gain = nbinom.logpmf(seen, case.ratio * size, chance) - nbinom.logpmf(seen, size, chance)
        return float(logsumexp(alike @ gain.sum(1)))

    return way


def measure(seed: int, quiet: int, replicates: int) -> Iterator[Metric]:
    zones = country()
    usual = detectors(zones)
    thresholds: dict[Case, dict[str, float]] = {}
    table = known()
    rates, spent, useful = [], [], dict[float, float]()
    for number, case in enumerate(CASES):
        ways = usual | (
            {"plafond : tout connu sauf le lieu": ceiling(zones, case)} if case.aim else {}
        )
        calm = Case(volume=case.volume, phi=case.phi, taught=case.taught)
        if calm not in thresholds:
            random = np.random.default_rng((seed, 0, number))
            drawn = [world(random, zones, calm, []) for _ in range(quiet)]
            alone = {name: [way(*one) for one in drawn] for name, way in ways.items()}
            thresholds[calm] = {
                name: float(np.quantile(weights, 0.99)) for name, weights in alone.items()
            }
            levels = space.known_levels(table, calm.volume, calm.phi)
            rates.append(float((space.chance(alone["zones"], levels) <= 0.01).mean()))
        random = np.random.default_rng((seed, 1, number))
        found = dict.fromkeys(ways, 0)
        located = []
        for _ in range(replicates):
            planted = cluster(random, zones, case)
            drawn_one = world(random, zones, case, planted)
            for name, way in ways.items():
                begun = time.perf_counter()
                hit = way(*drawn_one) > thresholds[calm][name]
                if name == "zones":
                    spent.append(time.perf_counter() - begun)
                found[name] += hit
                if hit and name == "zones":
                    codes = set(space.locate(zones, *drawn_one).codes)
                    right = len(codes & {zones.codes[one] for one in planted})
                    located.append((right / len(codes), right / len(planted)))
        for name, count in found.items():
            aim = case.aim.get("trouvé", "") if name == "zones" else ""
            yield Metric(f"{case} · trouvé · {name}", count / replicates, "part", aim)
        for name, figure in zip(LOCATED, np.mean(located or [(0, 0)], axis=0), strict=True):
            yield Metric(f"{case} · {name} du lieu", float(figure), "part", case.aim.get(name, ""))
        half = Case(phi=1.6, volume=case.volume, ratio=case.ratio)
        if case == half and found["zones"] >= replicates / 2:
            useful[case.ratio] = min(useful.get(case.ratio, np.inf), case.volume)
    for ratio, volume in sorted(useful.items()):
        told = f"3 dép. ×{ratio:g} 6 h, φ 1.6 · plus petit volume où c'est trouvé une fois sur deux"
        yield Metric(told, volume, "textes par heure")
    yield Metric("fausses alarmes au niveau gelé, moyenne", float(np.mean(rates)), "part", "0,01")
    yield Metric("fausses alarmes au niveau gelé, pire cas", float(np.max(rates)), "part")
    windows = len(zones.members) * space.HOURS
    yield Metric("fenêtres par sujet", windows)
    yield Metric("temps par sujet (médiane)", 1000 * float(np.median(spent)), "ms", "≤ 10")


def write_levels() -> None:
    """Simulate nothing over a grid of volumes and φ, and write the seed."""
    zones = country()
    names = ",".join(f"niveau_{chance:g}".replace("0.", "0_") for chance in space.CHANCES)
    lines = [f"volume_horaire,dispersion,{names}"]
    for volume in (1, 10, 30, 60, 120, 250, 500, 1000, 2000, 4000, 8000, 16000):
        for phi in (1, 1.3, 1.6, 2, 3, 5, 10):
            levels = space.levels(space.nothing(zones, volume, phi, replicates=1999))
            lines.append(f"{volume},{phi}," + ",".join(f"{level:.3f}" for level in levels))
    LEVELS.write_text("\n".join(lines) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.space", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replicates", type=int, default=400, help="tirages par grappe plantée")
    parser.add_argument("--quiet", type=int, default=1999, help="tirages où rien n'arrive")
    parser.add_argument(
        "--quiet-levels", action="store_true", help=f"écrire {LEVELS.name} et s'arrêter"
    )
    options = parser.parse_args()
    if options.quiet_levels:
        write_levels()
        return
    record(
        "space",
        measure(options.seed, options.quiet, options.replicates),
        seed=options.seed,
        replicates=options.replicates,
        quiet=options.quiet,
        method=space.VERSION,
    )


if __name__ == "__main__":
    main()
