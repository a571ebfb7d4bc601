"""Planted campaigns: is the true effect inside the interval, and is nothing seen where nothing is?

`python -m benchmarks.effects --seed N --worlds W`. Each world has the sandbox's own calendar, card
frauds, waves of fraud and campaigns (`story.py`), drawn as counts without building a warehouse:
by month and département where five départements are targeted, by day where the whole country is.
Beside each, the comparison that anybody would make: as long before, and a Poisson interval. Harder
worlds follow, where départements or whole regions drift by themselves.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks import Metric, record
from dbt_project.udfs import campaigns, effects
from dlt_pipelines.sandbox import story
from dlt_pipelines.sandbox.tables import REPORTS, REPORTS_A_DAY

Floats = NDArray[np.float64]

PLACES = story.departements()
CODES = [place.code for place in PLACES]
SHARE = np.array([place.population for place in PLACES]) / sum(p.population for p in PLACES)
REGIONS = np.unique([place.region_code for place in PLACES], return_inverse=True)[1]
DAILY_NOISE = 0.06  # of perceval.sql
OTHER_A_DAY = 900  # complaints about property, which no campaign of the sandbox targets
RULE = replace(effects.Rule(), periodes_montrees=0, essais_lieux=20)


@dataclass(frozen=True)
class World:
    """Days, what each is expected to bring to the country, and the campaigns planted."""

    days: list[date]
    expected: Floats
    planted: list[story.PlantedEvent]
    chance: np.random.Generator

    def instant(self, rank: int) -> datetime:
        return story.noon(self.days[rank]) - timedelta(hours=12)


@dataclass
class Tally:
    """What one design made of many campaigns."""

    held: list[bool]
    error: list[float]
    width: list[float]
    shown: list[bool]
    quiet: list[bool]
    naive_held: list[bool]
    naive_error: list[float]
    naive_quiet: list[bool]
    broken: list[bool]
    dates: list[tuple[int, int]]
    places: list[tuple[int, int]]

    def metrics(self, design: str) -> Iterator[Metric]:
        def part(values: list[bool]) -> float:
            return float(np.mean(values)) if values else float("nan")

        name = f"{design} · "
        yield Metric(name + "campagnes plantées", len(self.held))
        yield Metric(name + "vrai effet dans l'intervalle", part(self.held), "part", "0,95")
        yield Metric(name + "… avant/après naïf", part(self.naive_held), "part")
        yield Metric(name + "effet nul dit démontré", part(self.quiet), "part", "≤ 0,07")
        yield Metric(name + "… avant/après naïf", part(self.naive_quiet), "part")
        yield Metric(name + "biais (log)", float(np.mean(self.error)), "", "0")
        yield Metric(name + "… avant/après naïf", float(np.mean(self.naive_error)))
        yield Metric(name + "erreur type (log)", float(np.std(self.error)))
        yield Metric(name + "… avant/après naïf", float(np.std(self.naive_error)))
        yield Metric(name + "largeur de l'intervalle (log)", float(np.median(self.width)))
        yield Metric(name + "vrai effet démontré", part(self.shown), "part")
        yield Metric(name + "tendance dite rompue à tort", part(self.broken), "part", "≤ 0,07")
        for told, trials in (("autres dates", self.dates), ("autres lieux", self.places)):
            if count := sum(tried for tried, _ in trials):
                wrong = sum(found for _, found in trials) / count
                yield Metric(name + f"essais à blanc, {told}", wrong, "part", "≤ 0,07")
                yield Metric(name + f"nombre d'essais, {told}", count)


def world(seed: int, months: int) -> World:
    chance = np.random.default_rng(seed)
    frame = story.world(seed, end=date(2026, 11, 1), months=months)
    days = story.days(frame.start, frame.end)
    expected = REPORTS_A_DAY * np.array([REPORTS.factor(day) for day in days])
    expected *= np.exp(DAILY_NOISE * chance.standard_normal(len(days)))
    events = story.ledger(frame)
    for event in events:
        if event.kind == "fraude":
            expected *= _felt(days, event)
    return World(days, expected, [one for one in events if one.kind == "prevention"], chance)


def _felt(days: list[date], event: story.PlantedEvent) -> Floats:
    return np.array([event.lift(story.noon(day), 1.0) for day in days])


def _rows(events: list[story.PlantedEvent]) -> list[dict[str, object]]:
    return [
        {
            "campagne_id": event.key,
            "debut_le": event.start.date(),
            "fin_le": event.end.date(),
            "departements": ",".join(event.departements) or None,
            "cout_eur": None,
            "mesure_id": "m",
            "mesure_label": "signalements",
            "sens_attendu": "baisse",
            "is_commencee": True,
        }
        for event in events
    ]


TYPES = pa.schema(
    {
        "campagne_id": pa.string(), "debut_le": pa.date32(), "fin_le": pa.date32(),
        "departements": pa.string(), "cout_eur": pa.float64(), "mesure_id": pa.string(),
        "mesure_label": pa.string(), "sens_attendu": pa.string(), "is_commencee": pa.bool_(),
    }
)  # fmt: skip


def _estimate(
    events: list[story.PlantedEvent], series: dict[str, object]
) -> dict[str, dict[str, object]]:
    table = pa.Table.from_pylist(_rows(events), TYPES)
    found = campaigns.estimate(table, pa.table(series), RULE).to_pylist()
    return {row["campagne_id"]: row for row in found if row["conclusion"] != "non_estimable"}


def _by_month(world: World, means: Floats) -> tuple[dict[str, object], Floats, NDArray]:
    months = np.array(world.days, "datetime64[M]")
    firsts = np.unique(months)
    monthly = np.add.reduceat(means, np.searchsorted(months, firsts), axis=1)
    drawn = world.chance.poisson(monthly)
    size = drawn.size
    rows = {
        "mesure_id": ["m"] * size,
        "pas": ["mois"] * size,
        "departement_code": np.repeat(CODES, len(firsts)).tolist(),
        "region_code": [str(REGIONS[n // len(firsts)]) for n in range(size)],
        "periode_le": firsts.astype("datetime64[D]").tolist() * len(CODES),
        "observe_count": drawn.ravel().tolist(),
        "autres_count": pa.nulls(size, pa.int64()),
    }
    return rows, monthly, firsts


def _keep(tally: Tally, row: dict[str, object], truth: float, counts: Floats, length: int) -> None:
    """Note one estimate; `counts` are those of the periods before, then of the campaign."""
    low, high = 1 + row["effet_part_bas"], 1 + row["effet_part_haut"]
    tally.held.append(low <= truth <= high)
    tally.error.append(float(np.log((1 + row["effet_part"]) / truth)))
    tally.width.append(float(np.log(high / low)))
    tally.shown.append(row["conclusion"] == "baisse")
    tally.broken.append(row["pretendance"] == "rompue")
    tally.dates.append((row["essais_dates_count"], row["essais_dates_conclus_count"]))
    tally.places.append((row["essais_lieux_count"], row["essais_lieux_conclus_count"]))
    ratio, least, most = _naive(counts, length)
    tally.naive_held.append(least <= truth <= most)
    tally.naive_error.append(float(np.log(ratio / truth)))


def _naive(counts: Floats, length: int) -> tuple[float, float, float]:
    during = np.arange(len(counts)) >= len(counts) - length
    return effects.before_after(counts, np.ones(len(counts)), ~during, during, RULE)


def _quiet(tally: Tally, row: dict[str, object], counts: Floats, length: int) -> None:
    low, high = 1 + row["effet_part_bas"], 1 + row["effet_part_haut"]
    tally.quiet.append(not low <= 1 <= high)
    _, least, most = _naive(counts, length)
    tally.naive_quiet.append(not least <= 1 <= most)


def with_controls(seed: int, worlds: int, months: int) -> Tally:
    """Five départements targeted, counts by month; then the same campaigns that change nothing."""
    tally = _tally()
    for number in range(worlds):
        drawn = world(seed * 100_000 + number, months)
        before = np.outer(SHARE, drawn.expected)
        means = before.copy()
        for event in drawn.planted:
            means[np.isin(CODES, event.departements)] *= _felt(drawn.days, event)
        for planted in (True, False):
            series, monthly, firsts = _by_month(drawn, means if planted else before)
            starts = np.array(drawn.days, "datetime64[M]")
            plain = np.add.reduceat(before, np.searchsorted(starts, firsts), axis=1)
            panel = np.reshape(series["observe_count"], plain.shape)
            found = _estimate(drawn.planted, series)
            for event in drawn.planted:
                if (row := found.get(event.key)) is None:
                    continue
                there = np.isin(CODES, event.departements)
                first = np.datetime64(row["mesure_debut_le"], "M")
                last = np.datetime64(row["mesure_fin_le"], "M")
                during = np.flatnonzero((firsts >= first) & (firsts <= last))
                length = len(during)
                around = panel[there].sum(0)[max(during[0] - length, 0) : during[-1] + 1]
                truth = monthly[there][:, during].sum() / plain[there][:, during].sum()
                if planted:
                    _keep(tally, row, float(truth), around.astype(float), length)
                else:
                    _quiet(tally, row, around.astype(float), length)
    return tally


def everywhere(seed: int, worlds: int, months: int, others: bool) -> Tally:
    """The whole country targeted, counts by day; `others`: complaints about property help."""
    tally = _tally()
    for number in range(worlds):
        drawn = world(seed * 100_000 + number, months)
        draw = Random(f"{seed}/partout/{number}")  # noqa: S311 (a play, not a secret)
        kind = story.KINDS["prevention"]
        rank = draw.randrange(len(drawn.days) - 200, len(drawn.days) - int(kind.days) - 1)
        start = drawn.instant(rank)
        event = story.PlantedEvent(
            "prevention", "arnaque", (), start, start + timedelta(days=kind.days),
            draw.uniform(*kind.size),
        )  # fmt: skip
        aside = OTHER_A_DAY * np.array([REPORTS.factor(day) for day in drawn.days])
        aside = drawn.chance.poisson(
            aside * np.exp(0.06 * drawn.chance.standard_normal(len(aside)))
        )
        for planted in (True, False):
            means = drawn.expected * (_felt(drawn.days, event) if planted else 1)
            counts = drawn.chance.poisson(means)
            size = len(counts)
            series = {
                "mesure_id": ["m"] * size,
                "pas": ["jour"] * size,
                "departement_code": pa.nulls(size, pa.string()),
                "region_code": pa.nulls(size, pa.string()),
                "periode_le": drawn.days,
                "observe_count": counts,
                "autres_count": aside if others else pa.nulls(size, pa.int64()),
            }
            row = _estimate([event], series).get(event.key)
            if row is None:
                continue
            first = drawn.days.index(row["mesure_debut_le"])
            last = drawn.days.index(row["mesure_fin_le"]) + 1
            around = counts[2 * first - last : last].astype(float)
            truth = means[first:last].sum() / drawn.expected[first:last].sum()
            if planted:
                _keep(tally, row, float(truth), around, last - first)
            else:
                _quiet(tally, row, around, last - first)
    return tally


def _tally() -> Tally:
    return Tally(*([] for _ in Tally.__dataclass_fields__))


def adrift(seed: int, worlds: int) -> Iterator[Metric]:
    """Nothing is done in five départements of a region, and places go astray by themselves."""
    for told, alone, together in (
        ("départements qui dérivent de 10 %", 0.1, 0.0),
        ("départements de 5 %, régions de 5 %", 0.05, 0.05),
        ("départements de 5 %, régions de 10 %", 0.05, 0.1),
    ):
        right: dict[str, list[bool]] = defaultdict(list)
        for number in range(worlds):
            chance = np.random.default_rng((seed, number))
            length = 24
            means = np.outer(SHARE, 8000 * np.exp(0.1 * chance.standard_normal(length)))
            means *= np.exp(_drift(chance, len(CODES), length, alone))
            means *= np.exp(_drift(chance, REGIONS.max() + 1, length, together))[REGIONS]
            panel = chance.poisson(means).astype(float)
            draw = Random(f"{seed}/derive/{number}")  # noqa: S311 (a play, not a secret)
            there = np.isin(CODES, story._campaign(draw))
            month = draw.randrange(12, length - 1)
            during = np.isin(np.arange(length), (month, month + 1))
            before = np.arange(length) < month
            before &= np.arange(length) >= month - 12
            kept = panel[:, before].sum(1) > 0
            for way, regions in (("", REGIONS[kept]), (" (régions ignorées)", None)):
                effect = effects.against_others(
                    panel[kept], there[kept], before, during, RULE, regions
                )
                right[way].append(not effect.is_shown)
        for way, held in right.items():
            aim = "" if way else "0,95"
            yield Metric(
                f"{told}{way} · effet nul dans l'intervalle", float(np.mean(held)), "part", aim
            )


def _drift(chance: np.random.Generator, rows: int, length: int, size: float) -> Floats:
    """Draw logarithms that go their own way: a month keeps 0.8 of the one before."""
    steps = chance.standard_normal((rows, length))
    for month in range(1, length):
        steps[:, month] = 0.8 * steps[:, month - 1] + 0.6 * steps[:, month]
    return size * steps


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.effects", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worlds", type=int, default=200, help="mondes tirés par plan d'étude")
    parser.add_argument("--months", type=int, default=24, help="mois de passé de chaque monde")
    options = parser.parse_args()
    begun = time.perf_counter()
    seed, worlds, months = options.seed, options.worlds, options.months
    metrics = [
        *with_controls(seed, worlds, months).metrics("départements témoins"),
        *everywhere(seed, worlds, months, False).metrics("tout le pays"),
        *everywhere(seed, worlds, months, True).metrics("tout le pays, sujets témoins"),
        *adrift(seed, max(worlds, 1) * 2),
    ]
    metrics.append(Metric("temps", time.perf_counter() - begun, "s"))
    record("effects", metrics, **vars(options), method=effects.VERSION)


if __name__ == "__main__":
    main()
