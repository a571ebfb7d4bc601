"""The invented world: where and when it lies, its calendar, and the events planted in it.

All is a pure function of (seed, source, day): the window asked never changes what a day holds.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from math import cos, pi
from pathlib import Path
from random import Random
from typing import Any

from dlt_pipelines import PARIS, stores


class SandboxError(RuntimeError):
    """The world cannot be built; the message (French) says why and what to do."""


@dataclass(frozen=True)
class World:
    """A window on the world: days from `start` to `end`, which is excluded.

    `size` multiplies every volume: 1.0 is about 20 experiences and 270 card frauds a day. A world
    that is `live` goes on: its now is ours.
    """

    start: date
    end: date
    seed: int = 20
    size: float = 1.0
    live: bool = False

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise SandboxError(f"Le monde finit ({self.end}) avant de commencer ({self.start}).")
        if not 0 < self.size <= 1000:
            raise SandboxError(f"La taille du monde va de 0 (exclu) à 1000, pas {self.size}.")

    @property
    def now(self) -> datetime:
        """The instant this world has reached (UTC): midnight, Paris time, that opens `end`."""
        if self.live:
            return datetime.now(UTC)
        return datetime(self.end.year, self.end.month, self.end.day, tzinfo=PARIS).astimezone(UTC)


def world(seed: int = 20, *, end: date | None = None, months: int = 24, size: float = 1.0) -> World:
    """Return `months` whole months and the running one, up to yesterday (Paris) by default."""
    end = end or datetime.now(PARIS).date()
    first = end.year * 12 + end.month - 1 - months
    return World(start=date(first // 12, first % 12 + 1, 1), end=end, seed=seed, size=size)


# --- places ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Departement:
    """A département, its chief town and its largest communes, as the COG names them."""

    code: str
    nom: str
    region_code: str
    region_nom: str
    population: int
    chef_lieu_code: str
    chef_lieu_nom: str
    code_postal: str
    villes: tuple[str, ...]


@lru_cache(maxsize=1)
def departements() -> tuple[Departement, ...]:
    """Return the 101 départements in the order of their codes."""
    communes: dict[str, list[dict[str, Any]]] = {}
    for commune in cog("communes"):
        if commune["type"] == "commune-actuelle":
            communes.setdefault(commune["departement"], []).append(commune)
    regions = {region["code"]: region["nom"] for region in cog("regions")}

    def describe(row: dict[str, Any]) -> Departement:
        own = sorted(communes[row["code"]], key=lambda c: (-c.get("population", 0), c["code"]))
        chief = next(commune for commune in own if commune["code"] == row["chefLieu"])
        return Departement(
            code=row["code"],
            nom=row["nom"],
            region_code=row["region"],
            region_nom=regions[row["region"]],
            population=sum(commune.get("population", 0) for commune in own),
            chef_lieu_code=chief["code"],
            chef_lieu_nom=chief["nom"],
            code_postal=chief["codesPostaux"][0],
            villes=tuple(commune["nom"] for commune in own[:6]),
        )

    return tuple(describe(row) for row in cog("departements") if row["zone"] in ("metro", "drom"))


def cog(name: str) -> list[dict[str, Any]]:
    path: Path = stores.cog_package() / f"{name}.json"
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as absent:
        raise SandboxError(
            f"Le code officiel géographique manque ({path}). Remède : `npm install` dans reports/ "
            "(ou `make run`, qui le fait), puis recommencer."
        ) from absent
    return rows


# --- calendar -------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def holidays(year: int) -> frozenset[date]:
    """Return the eleven bank holidays of metropolitan France (Easter by Gauss's rule)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    easter = date(year, f // 31, f % 31 + 1)
    moving = {easter + timedelta(days) for days in (1, 39, 50)}
    fixed = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))
    return frozenset(moving | {date(year, month, day) for month, day in fixed})


@dataclass(frozen=True)
class Rhythm:
    """How a source breathes: factors around 1 by weekday (Monday first), season and holiday."""

    week: tuple[float, ...]
    holiday: float
    swing: float
    peak: int  # day of the year when the season is highest
    growth: float  # share gained each year

    def factor(self, day: date) -> float:
        season = 1 + self.swing * cos(2 * pi * (day.timetuple().tm_yday - self.peak) / 365.25)
        trend: float = (1 + self.growth) ** ((day - date(2024, 1, 1)).days / 365.25)
        rest = self.holiday if day in holidays(day.year) else 1.0
        return self.week[day.weekday()] * 7 / sum(self.week) * season * trend * rest


# --- planted events -------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlantedEvent:
    """Something that happened; `departements` is empty when the whole country feels it.

    `start` and `end` (excluded) are instants in UTC. `size` is the factor at its height in
    the series that feels it most; below 1, the event lowers it.
    """

    kind: str
    subject: str
    departements: tuple[str, ...]
    start: datetime
    end: datetime
    size: float

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.start:%Y-%m-%d}"

    def height(self, instant: datetime) -> float:
        """Return how much of the event is felt at `instant`, from 0 to 1."""
        share = (instant - self.start) / (self.end - self.start)
        return max(0.0, min(1.0, share / 0.15, (1 - share) / 0.4))

    def lift(self, instant: datetime, weight: float) -> float:
        """Return the factor on a series that feels `weight` of the event at `instant`."""
        return 1 + (self.size - 1) * weight * self.height(instant)


@dataclass(frozen=True)
class Kind:
    """How one kind of event is drawn, and who feels it."""

    subject: str
    days: float
    offsets: tuple[tuple[int, int], tuple[int, int]]  # earliest and latest day, in each half-year
    size: tuple[float, float]
    x: dict[str, float]  # subject -> share of the event that its volume feels
    perceval: float
    # Typology written about, experiences added at the height as a share of an ordinary day,
    # and their shares of positive and of negative.
    outcry: tuple[str, float, float, float]
    followers: float  # share of followers gained by the accounts concerned


KINDS = {
    "inondation": Kind(
        subject="inondation", days=6, offsets=((5, 95), (70, 160)), size=(8, 16),
        x={"inondation": 1.0, "gendarmerie": 0.06, "securite_routiere": 0.05}, perceval=0.0,
        outcry=("Brigade de gendarmerie", 0.7, 0.3, 0.5), followers=0.06,
    ),
    "fraude": Kind(
        subject="arnaque", days=21, offsets=((15, 150), (15, 150)), size=(1.6, 2.1),
        x={"arnaque": 1.6}, perceval=1.0,
        outcry=("Service en ligne Perceval", 0.45, 0.05, 0.75), followers=0.004,
    ),
    "rumeur": Kind(
        subject="rumeur", days=2.25, offsets=((10, 165), (10, 165)), size=(6, 12),
        x={"rumeur": 1.0, "gendarmerie": 0.08}, perceval=0.0,
        outcry=("Brigade de gendarmerie", 0.6, 0.05, 0.6), followers=0.01,
    ),
    "prevention": Kind(
        subject="arnaque", days=42, offsets=((20, 135), (20, 135)), size=(0.5, 0.65),
        x={}, perceval=1.0,
        outcry=("Masecurite.fr", 0.06, 0.8, 0.05), followers=0.01,
    ),
    "panne": Kind(
        subject="gendarmerie", days=3.5, offsets=((5, 170), (5, 170)), size=(2.0, 3.0),
        x={"gendarmerie": 1.0, "plainte_en_ligne": 2.0}, perceval=0.0,
        outcry=("Pré-plainte en ligne (PPEL)", 1.2, 0.02, 0.9), followers=0.0,
    ),
    # A crowd runs as people leave work; the networks say so at once, those who write to us the
    # day after.
    "panique": Kind(
        subject="panique", days=1.5, offsets=((10, 165), (10, 165)), size=(20, 40),
        x={"panique": 1.0, "gendarmerie": 0.04, "rumeur": 0.02}, perceval=0.0,
        outcry=("Brigade de gendarmerie", 0.8, 0.1, 0.65), followers=0.008,
    ),
}  # fmt: skip

# Neighbours that share a river or a storm.
BASINS = (
    ("11", "66", "34"), ("30", "34", "48"), ("06", "83", "13"), ("07", "26", "84"),
    ("35", "56", "44"), ("22", "29", "56"), ("62", "59", "80"), ("17", "79", "16"),
    ("33", "47", "40"), ("40", "64", "65"), ("45", "41", "18"), ("77", "91", "45"),
    ("08", "51", "55"), ("57", "54", "67"), ("25", "39", "70"), ("73", "74", "38"),
    ("76", "27", "60"), ("49", "53", "72"), ("42", "43", "69"), ("14", "50", "61"),
)  # fmt: skip


def ledger(world: World) -> list[PlantedEvent]:
    """Return the events that touch the window of `world`, in the order of their beginning."""
    begin = datetime(world.start.year, world.start.month, world.start.day, tzinfo=PARIS)
    return list(planted(world.seed, begin.astimezone(UTC), world.now))


def planted(seed: int, start: datetime, end: datetime) -> tuple[PlantedEvent, ...]:
    """Return the events that touch [start, end[.

    One of each kind begins in every half of every year, so that no window moves them.
    """
    halves = range(start.year * 2 - 1, end.year * 2 + 2)
    events = (event for half in halves for event in _half_year(seed, half))
    return tuple(
        sorted(
            (event for event in events if event.start < end and event.end > start),
            key=lambda event: (event.start, event.kind),
        )
    )


@lru_cache(maxsize=1024)
def _half_year(seed: int, half: int) -> tuple[PlantedEvent, ...]:
    events = []
    for name, kind in KINDS.items():
        rng = Random(f"{seed}/evenement/{name}/{half}")  # noqa: S311 (a play, not a secret)
        first = date(half // 2, 7 if half % 2 else 1, 1)
        day = first + timedelta(rng.randint(*kind.offsets[half % 2]))
        hour = rng.randint(5, 14)
        size = round(rng.uniform(*kind.size), 2)
        where: tuple[str, ...] = ()
        if name == "inondation":
            where = rng.choice(BASINS)
        elif name == "prevention":
            where = _campaign(rng)
        elif name == "rumeur":
            day += timedelta((4 - day.weekday()) % 7)
            hour = 18
        elif name == "panique":
            where = rng.choice(BASINS)[: rng.randint(1, 3)]
            hour = 16
        start = datetime(day.year, day.month, day.day, hour, tzinfo=PARIS).astimezone(UTC)
        end = start + timedelta(days=kind.days)
        events.append(PlantedEvent(name, kind.subject, where, start, end, size))
    return tuple(events)


def _campaign(rng: Random) -> tuple[str, ...]:
    by_region: dict[str, list[str]] = {}
    for departement in departements():
        by_region.setdefault(departement.region_code, []).append(departement.code)
    wide = [codes for _, codes in sorted(by_region.items()) if len(codes) >= 5]
    return tuple(sorted(rng.sample(rng.choice(wide), 5)))


# --- planted needs --------------------------------------------------------------------------------


@dataclass(frozen=True)
class PlantedNeed:
    """Something that citizens ask for all the time, in a few départements above all.

    `share` is what it adds to an ordinary day's messages, `elsewhere` the part of it that other
    départements say. `code` is that of the taxonomy of needs, which the sandbox does not read.
    """

    code: str
    departements: tuple[str, ...]
    share: float = 0.06
    elsewhere: float = 0.15


def needs(seed: int) -> tuple[PlantedNeed, ...]:
    """Return the needs of the invented world that no service answers."""
    draw = Random(f"{seed}/besoin/restitution")  # noqa: S311 (a play, not a secret)
    return (PlantedNeed("restitution", tuple(sorted(draw.choice(BASINS)))),)


def days(start: date, end: date) -> list[date]:
    """Return the days from `start` to `end`, which is excluded."""
    return [start + timedelta(n) for n in range((end - start).days)]


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=PARIS).astimezone(UTC)
