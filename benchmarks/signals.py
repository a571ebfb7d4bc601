"""Are the events that the sandbox plants found, where, when, and at what price in false signals?

`python -m benchmarks.signals --seeds 50`: one invented world per seed. The series are drawn by the
sandbox's own functions, as the marts would count them (hours and days of each network, posts and
reviews by département, contacts, card frauds), without landing nor warehouse; detection and
follow-up are those of the warehouse. eEARS reads the same series and is followed the same way.

A signal is right when it opens between the first hour of an event and two days after its end,
about a subject that the event moves, for the country or a place of the event. A campaign of
prevention lowers what it moves: nothing there is to be found. The first eight weeks only teach.
"""

import argparse
import csv
import os
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks import Metric, record
from dbt_project.udfs import signals, space
from dlt_pipelines import stores
from dlt_pipelines.sandbox import SUBJECTS, PlantedEvent, World, ledger, social, story, tables

SEEDS = stores.ROOT / "dbt_project/seeds"
START, END = date(2025, 9, 1), date(2026, 4, 1)
LEARNT = timedelta(days=56)
AFTER = timedelta(days=2)
# Kind → subjects of the series that it moves; what moves none of them up is not looked for.
MOVED = {
    "fraude": {"arnaque", "avis", "avis_negatifs"},
    "inondation": {"inondation", "gendarmerie", "securite_routiere", "avis", "avis_negatifs"},
    "panique": {"panique", "gendarmerie", "rumeur", "avis", "avis_negatifs"},
    "panne": {"gendarmerie", "plainte_en_ligne", "avis", "avis_negatifs"},
    "rumeur": {"rumeur", "gendarmerie", "avis", "avis_negatifs"},
}
# `dit`: what the lexicon of needs would recognise in the sentences of the sandbox.
REVIEWS = """
    with avis as (
        select
            timezone('Europe/Paris', timezone('UTC', date_de_publication))::date as jour,
            coalesce(
                code_insee_departement_usager,
                nullif(regexp_extract(coalesce(structures.scope, ''), 'Groupement.*/(.+)$', 1), '')
            ) as lieu,
            intitule_typologie_1 as service,
            ressenti_usager = 'Négatif' as negatif,
            case
                when description similar to '.*(nondation|crue|nondée).*' then 'inondation'
                when description similar to '.*(umeur|enlève|camionnette).*' then 'rumeur'
                when description similar to '.*(anique|ouvement de foule|fusillade).*'
                    then 'panique'
            end as dit
        from experiences
        left join structures on experiences.id_structure_1 = structures.id
        where hors_structure = 'Non' or intitule_typologie_1 not in ('CAF', 'ANTS', 'ANTAI')
    ),
    sujets as (
        select jour, lieu, dit as sujet from avis where dit is not null
        union all
        select jour, lieu, 'gendarmerie' from avis where negatif and service like '%endarmerie%'
        union all
        select jour, lieu, 'plainte_en_ligne' from avis
        where negatif and service ilike '%plainte en ligne%'
        union all
        select jour, lieu, 'arnaque' from avis where negatif and service like '%Perceval'
        union all
        select jour, lieu, 'avis_negatifs' from avis where negatif
        union all
        select jour, lieu, 'avis' from avis
    )
    select sujet, 'FR', jour, count(*) from sujets group by all
    union all
    select sujet, lieu, jour, count(*) from sujets where lieu is not null group by all
"""
CONTACTS = """
    select
        case
            when kind = 'fraude' or motif in ('Hameçonnage', 'Usurpation d''identité')
                then 'arnaque'
            when kind = 'panne' then 'plainte_en_ligne'
            when kind in ('inondation', 'rumeur', 'panique') then kind
            else 'contacts'
        end as sujet,
        date_trunc('hour', timezone('UTC', timezone(
            'Europe/Paris', strptime(contacts."date", '%d/%m/%Y %H:%M')
        ))) as heure,
        count(*)
    from contacts
    inner join reasons using (motif_parent, motif)
    group by all
"""


def seed_rows(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Counts:
    """Counts by series and period, laid out with their zeros as the intermediate models do."""

    def __init__(self, world: World) -> None:
        self.days = np.arange(np.datetime64(world.start), np.datetime64(world.end))
        first = np.datetime64(world.start, "h")
        self.hours = np.arange(first, np.datetime64(world.end, "h"))
        self.daily: dict[tuple[str, ...], Counter[Any]] = defaultdict(Counter)
        self.hourly: dict[tuple[str, ...], Counter[Any]] = defaultdict(Counter)

    def table(self, grain: str) -> pa.Table:
        told = self.daily if grain == "jour" else self.hourly
        times = self.days if grain == "jour" else self.hours
        name = "jour" if grain == "jour" else "heure_at"
        unit = "D" if grain == "jour" else "h"
        keys = sorted(told)
        cells = np.zeros((len(keys), len(times)), np.int64)
        for row, key in enumerate(keys):
            for when, count in told[key].items():
                at = int((np.datetime64(when, unit) - times[0]).astype(int))
                if 0 <= at < len(times):
                    cells[row, at] += count
        repeated = {
            name: np.repeat([key[rank] for key in keys], len(times))
            for rank, name in enumerate(("famille", "source", "sujet", "lieu"))
        }
        places = [None if place == "FR" else place for place in repeated.pop("lieu").tolist()]
        return pa.table(
            {
                "serie_id": np.repeat(["/".join((*key, grain)) for key in keys], len(times)),
                **{column: values.tolist() for column, values in repeated.items()},
                "departement_code": pa.array(places, pa.string()),
                name: pa.array(
                    np.tile(times.astype(f"datetime64[{'D' if unit == 'D' else 'us'}]"), len(keys))
                ),
                "observe_count": cells.ravel(),
                "exposition": np.ones(cells.size),
                "is_personnes": np.isin(repeated["source"], ("ma_gendarmerie", "perceval")),
                "origine": pa.array(["bac_a_sable"] * cells.size, pa.string()),
            }
        )


def counted(world: World) -> Counts:
    """Return what the marts would count of `world`."""
    told = Counts(world)
    towns: dict[str, set[str]] = defaultdict(set)
    for place in story.departements():
        for town in place.villes:
            towns[town].add(place.code)
    known = {town: codes.pop() for town, codes in towns.items() if len(codes) == 1}
    span = story.days(world.start, world.end)
    for subject in SUBJECTS:
        for network in social.SHARE:
            key = ("reseaux", network, subject.name, "FR")
            for day in span:
                posts = social.posts(world.seed, world.size, subject.query, day, network)
                begin = np.datetime64(day, "h")
                for hour, count in enumerate(posts):
                    told.hourly[key][begin + hour] += count
                told.daily[key][day] += sum(posts)
        for network in ("mastodon", "bluesky"):
            for day in span:
                for post in social.written(world.seed, world.size, subject.query, day, network):
                    named = {code for town, code in known.items() if town in post.text}
                    if len(named) == 1:
                        key = ("reseaux", "reseaux", subject.name, named.pop())
                        told.daily[key][day] += 1
    with tables.connect(world, "experiences", "ma_gendarmerie", "perceval") as db:
        for subject, place, day, count in db.sql(REVIEWS).fetchall():
            told.daily["avis", "services_publics_plus", subject, place][day] += count
        for subject, hour, count in db.sql(CONTACTS).fetchall():
            key = ("contacts", "ma_gendarmerie", subject, "FR")
            told.hourly[key][np.datetime64(hour, "h")] += count
            told.daily[key][hour.date()] += count
        for day, count in db.sql("select day, count(*) from reports group by 1").fetchall():
            told.daily["signalements", "perceval", "arnaque", "FR"][day] += count
    return told


def is_right(signal: Mapping[str, Any], event: PlantedEvent) -> bool:
    opened = signal["ouvert_at"]
    start, end = (at.replace(tzinfo=None) for at in (event.start, event.end))
    places = set((signal["departements_codes"] or "").split(",")) - {""}
    return (
        signal["sujet"] in MOVED.get(event.kind, ())
        and start <= opened <= end + AFTER
        and (not places or not event.departements or bool(places & set(event.departements)))
    )


class Tally:
    """What one method found over the worlds."""

    def __init__(self) -> None:
        self.planted: Counter[str] = Counter()
        self.found: Counter[str] = Counter()
        self.confirmed: Counter[str] = Counter()
        self.closed: Counter[str] = Counter()
        self.delays: dict[str, list[float]] = defaultdict(list)
        self.signals = self.right = self.sure = self.sure_right = 0
        self.days = 0.0
        self.seconds: list[float] = []

    def add(self, raised: list[dict[str, Any]], world: World, seconds: float) -> None:
        self.seconds.append(seconds)
        begin = datetime(world.start.year, world.start.month, world.start.day) + LEARNT
        raised = [signal for signal in raised if signal["ouvert_at"] >= begin]
        events = [
            event
            for event in ledger(world)
            if event.kind in MOVED and event.start.replace(tzinfo=None) >= begin
            and event.end + AFTER <= world.now
        ]  # fmt: skip
        within = [event for event in ledger(world) if event.kind in MOVED]
        for event in events:
            mine = [signal for signal in raised if is_right(signal, event)]
            self.planted[event.kind] += 1
            if mine:
                self.found[event.kind] += 1
                first = min(signal["ouvert_at"] for signal in mine)
                late = first - event.start.replace(tzinfo=None)
                self.delays[event.kind].append(late / timedelta(hours=1))
                self.confirmed[event.kind] += any(signal["confirme_at"] for signal in mine)
                self.closed[event.kind] += any(signal["clos_at"] for signal in mine)
        for signal in raised:
            right = any(is_right(signal, event) for event in within)
            self.signals += 1
            self.right += right
            if signal["confirme_at"]:
                self.sure += 1
                self.sure_right += right
        self.days += (world.now.replace(tzinfo=None) - begin) / timedelta(days=1)

    def metrics(self, name: str) -> list[Metric]:
        told = [
            Metric(f"{name} : précision des signaux", _share(self.right, self.signals)),
            Metric(f"{name} : précision des confirmés", _share(self.sure_right, self.sure)),
            Metric(
                f"{name} : faux signaux par mois",
                round(30 * (self.signals - self.right) / self.days, 2),
            ),
        ]
        for kind in MOVED:
            planted = self.planted[kind]
            delays = self.delays[kind]
            told += [
                Metric(f"{name} : {kind}, rappel", _share(self.found[kind], planted)),
                Metric(
                    f"{name} : {kind}, délai médian",
                    round(float(np.median(delays)), 1) if delays else None,
                    "h",
                ),
                Metric(f"{name} : {kind}, confirmés", _share(self.confirmed[kind], planted)),
            ]
        told.append(Metric(f"{name} : secondes par monde", float(np.median(self.seconds)), "s"))
        return told


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


@cache
def settings() -> tuple[dict[str, signals.Methods], list[tuple[str, str]], Any, Any]:
    """Return the rules of each method, the neighbours, the zones and the levels of the map."""
    ours = signals.methods_from(seed_rows("ref_methodes"))
    eears = {
        name: {**values, "eears": 1.0} if name.startswith("series_") else values
        for name, values in ours.items()
    }
    pairs = [
        (row["departement_code"], row["voisin_code"])
        for row in seed_rows("ref_departements_voisins")
    ]
    centres = seed_rows("ref_departements_centres")
    zones = space.zones(
        [row["departement_code"] for row in centres],
        pairs,
        *(
            [float(row[name]) for row in centres]
            for name in ("longitude", "latitude", "population_count")
        ),
    )
    levels = np.array([[float(v) for v in row.values()] for row in seed_rows("ref_scan_niveaux")])
    return {"nôtre": ours, "eEARS": eears}, pairs, zones, levels


def raised(seed: int) -> dict[str, tuple[list[dict[str, Any]], float]]:
    """Return, for each method, the signals raised in the world of `seed`, and the seconds spent."""
    rules, pairs, zones, levels = settings()
    told = counted(World(START, END, seed))
    daily, hourly = told.table("jour"), told.table("heure")
    found = {}
    for name, methods in rules.items():
        begun = time.perf_counter()
        # The map is no part of eEARS.
        where = (zones, levels) if name == "nôtre" else (None, None)
        known = signals.Knowledge(methods=methods, neighbours=signals.neighbours_of(pairs))
        followed = signals.follow(signals.detect(daily, hourly, methods, *where), known)
        found[name] = followed.to_pylist(), time.perf_counter() - begun
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signals", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="mondes, graines 1 à N (50)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="mondes à la fois")
    asked = parser.parse_args()
    tallies: dict[str, Tally] = defaultdict(Tally)
    with ProcessPoolExecutor(asked.jobs) as pool:
        seeds = range(1, asked.seeds + 1)
        for seed, found in zip(seeds, pool.map(raised, seeds), strict=True):
            for name, (rows, seconds) in found.items():
                tallies[name].add(rows, World(START, END, seed), seconds)
            print(f"graine {seed} : {', '.join(f'{n} {len(r)}' for n, (r, _) in found.items())}")
    ours = tallies["nôtre"]
    record(
        "signals",
        [
            Metric("mondes", asked.seeds),
            *(Metric(f"{kind} : plantés", ours.planted[kind]) for kind in MOVED),
            *(metric for name, tally in tallies.items() for metric in tally.metrics(name)),
        ],
        window=f"{START} – {END}",
        learnt_days=LEARNT.days,
        method=signals.VERSION,
    )


if __name__ == "__main__":
    main()
