"""Landings: a source of the catalogue comes home through the one door.

`land` finds the way in (files of the depot, the live service, else the sandbox), passes each page
through the contract and the protection of its table, loads what is new with dlt, and writes the
ledger.
"""

import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, partial
from inspect import signature
from pathlib import Path
from time import monotonic
from time import time as wall_clock
from typing import Any, Literal, cast, get_origin

import dlt
import duckdb
import pyarrow as pa
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.storages import NormalizeStorage
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.extract import DltResource, DltSource
from dlt.extract.exceptions import ResourceExtractionError as ExtractionError
from dlt.pipeline.exceptions import PipelineStepFailed
from requests import RequestException

from dlt_pipelines import (
    PARIS,
    datagouv,
    depot,
    forgotten,
    polite,
    privacy,
    registre,
    sandbox,
    stores,
    traitements,
)
from dlt_pipelines.catalog import CATALOG, Source
from dlt_pipelines.door import Door, Tally, hashes

REAL, SANDBOX = "reel", "bac_a_sable"
TOGETHER = 6  # sources asked at once
HELD_BELOW = (
    0.8  # of what a window held: a service that tells less has more likely lost than erased
)
HELD_FROM = 20  # rows of a window below which a few that vanish are everyday life
MEMORY = "500MB"  # of DuckDB while it loads, whatever the number of rows
AT_REST = 1  # seconds since a file was last written: a younger one may still be on its way in
EPOCH = date(2016, 1, 1)  # before the oldest experience of Services Publics+
Report = Callable[[str], None]


class LandingError(RuntimeError):
    """A source could not land; the message says the cause and the remedy, in French.

    Attributes:
        transient: another try may succeed (the service is down), where a wrong key never will.
    """

    def __init__(self, cause: str, remedy: str, transient: bool = False) -> None:
        super().__init__(f"{cause}\nRemède : {remedy}")
        self.transient = transient


@dataclass(frozen=True)
class TableLanding:
    read: int
    new: int
    changed: int
    quarantined: int
    excluded: int = 0
    deleted: int = 0

    def __add__(self, other: "TableLanding") -> "TableLanding":
        return TableLanding(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Landing:
    """What one landing did."""

    source: str
    origin: str
    tables: dict[str, TableLanding]
    files_taken: list[str]
    files_refused: list[tuple[str, str]]
    warnings: list[str]
    seconds: float
    cursor_from: str | None
    cursor_to: str | None
    switched: bool

    @property
    def changed(self) -> bool:
        return self.switched or any(
            table.new or table.changed or table.deleted for table in self.tables.values()
        )

    def total(self, what: str) -> int:
        """Return the sum of one of the counts of TableLanding over the tables."""
        return sum(getattr(table, what) for table in self.tables.values())


@dataclass(frozen=True)
class _Past:
    """What the ledger remembers of a source."""

    origins: frozenset[str]
    taken: frozenset[str]  # digests of the files already taken
    cursors: Mapping[str, str]  # origin → where the last landing stopped
    exists: bool  # every table is there
    asked_at: datetime | None  # when the live service last answered
    landed: bool  # at least once, from wherever


@dataclass
class _Way:
    """One way in: what is asked of files or of a service, and lands together."""

    origin: str
    asks: list[Callable[[], DltSource]] = field(default_factory=list)
    files: list[depot.File] = field(default_factory=list)
    refused: list[tuple[depot.File, str]] = field(default_factory=list)
    since: date | None = None  # window asked of a service, both days included
    until: date | None = None
    cursor_from: str | None = None
    version: str | None = None  # of the dataset that was read

    @property
    def cursor_to(self) -> str | None:
        return self.until.isoformat() if self.until else self.version


def land(
    name: str,
    report: Report = lambda line: None,
    budget: timedelta = timedelta(hours=1),
    retake: bool = False,
) -> Landing:
    """Bring one source home; a second call lands only what is new.

    Args:
        name: a key of CATALOG.
        report: called with each line of progress, in French.
        budget: time after which no further slice is asked; the next call goes on from there.
        retake: read the files of the depot again, though their content was taken before, so that
            their rows stand over those of a later file that was wrong; and believe a service that
            tells much less than before.

    Raises:
        LandingError: the source could not be read or loaded; nothing of it is lost or doubled, and
            running again is enough once the cause is gone.
    """
    source = CATALOG[name]
    deadline = monotonic() + budget.total_seconds()
    landing: Landing | None = None
    started = datetime.now(UTC)
    try:
        # A source that lands twice at once would share dlt's working files.
        with registre.alone(name, lambda: report("attend la fin d’une autre prise de la source")):
            (stores.depot() / name).mkdir(parents=True, exist_ok=True)
            with registre.ledger() as ledger:
                forgotten.check_keys(ledger, source)
                past = _remember(ledger, source)
            if retake:
                past = replace(past, taken=frozenset())
            with _ways_in(source, past, report, deadline) as ways:
                for way in ways:
                    if landing and monotonic() > deadline:
                        report("budget de temps épuisé : la suite à la prochaine prise")
                        break
                    landing = _landed_through(source, past, way, landing, report, retake)
    except Exception as error:
        explained = _explained(source, error)
        _record_failure(source, started, explained)
        raise explained from error
    assert landing is not None  # noqa: S101 – there is always one way in
    return landing


@contextmanager
def land_together(
    names: Iterable[str], report: Callable[[str, str], None] = lambda name, line: None, **how: Any
) -> Iterator[dict[str, Future[Landing]]]:
    """Bring several sources home side by side: their waits overlap, one at a time is written.

    Args:
        names: keys of CATALOG.
        report: called with the name of a source and a line of progress, from its own thread.
        how: the other arguments of `land`.

    Yields:
        name → the landing to come, in the order given; its `result()` raises what `land` raises.
        The block ends once all have landed; what it does not wait for still lands.
    """
    names = list(names)
    with ThreadPoolExecutor(TOGETHER) as pool:
        # Services first: they wait most.
        started = {
            name: pool.submit(land, name, partial(report, name), **how)
            for name in sorted(names, key=lambda name: not CATALOG[name].has_api)
        }
        yield {name: started[name] for name in names}


class BusyError(RuntimeError):
    """Another landing of the source is under way: it brings what there is."""


class Follower:
    """A source followed by the minute: what is new since the last ask lands, and nothing else.

    It keeps between two asks what a landing prepares each time: the doors, with what they know, and
    the pipeline. What a door refuses waits for the whole landing, which sets it aside.
    """

    def __init__(self, name: str) -> None:
        self.source = CATALOG[name]
        following = self.source.following
        assert following  # noqa: S101 – the caller chose among those that have one
        self.following = following
        self.since: datetime | None = None  # of the next ask
        self._due = 0.0
        self._files: set[tuple[str, int, int]] = set()
        self._ready: tuple[dict[str, Door], dlt.Pipeline, object] | None = None

    def land(self, report: Report = lambda line: None, patience: float = 60) -> Landing | None:
        """Land what is new, and return it; None if nothing is, or it is too soon to ask again.

        Args:
            report: called with each line of progress, in French.
            patience: seconds after which a service that does not answer is left for the next time.

        Raises:
            LandingError: as `land` does; the next call asks again from the same instant.
        """
        source = self.source
        if files := self._new_files():
            landing = land(source.name, report)
            self._files |= files
            return landing if landing.changed else None
        is_live = source.has_api and dlt.config.get(f"sources.{source.name}.live", bool)
        is_off = dlt.config.get(f"sources.{source.name}.enabled", bool) is False
        if not is_live or is_off or monotonic() < self._due:
            return None
        self._due = monotonic() + self.following.every.total_seconds()
        self.since = self.since or self._last_ask()
        if self.since is None:
            asked = datetime.now(UTC)
            landing = land(source.name, report)  # of a service that was never asked
            self.since = asked - self.following.overlap
            return landing
        try:
            with registre.alone(source.name, _busy):
                return self._followed(monotonic() + patience)
        except BusyError:
            return None
        except Exception as error:
            self._ready = None  # the doors think that they know what did not come in
            raise _explained(source, error) from error

    def _followed(self, deadline: float) -> Landing | None:
        source, asked, clock = self.source, datetime.now(UTC), monotonic()
        doors, pipeline = self._prepared()
        declared = source.declare(session=polite.Session(deadline), since=self.since, until=None)
        came = {
            table: [rows for rows in door.admit(_pages(declared.resources[table])) if len(rows)]
            for table, door in doors.items()
        }
        tallies = {table: door.tally for table, door in doors.items()}
        for door in doors.values():
            door.tally = Tally()
        came = {table: rows for table, rows in came.items() if rows}
        if came:
            with registre.ledger() as ledger:
                forgotten.check_keys(ledger, source)
            with registre.WRITER:
                pipeline.run()  # what a landing that was killed left behind
                pipeline.run(
                    [_resource(doors[table], iter(rows), "merge") for table, rows in came.items()]
                )
        landing = Landing(
            source=source.name,
            origin=REAL,
            tables={
                table: TableLanding(tally.read, tally.new, tally.changed, quarantined=0)
                for table, tally in tallies.items()
            },
            files_taken=[],
            files_refused=[],
            warnings=[],
            seconds=monotonic() - clock,
            cursor_from=f"{self.since:%Y-%m-%dT%H:%M:%SZ}",
            cursor_to=f"{asked:%Y-%m-%dT%H:%M:%SZ}",
            switched=False,
        )
        if came:
            with registre.ledger() as ledger:
                ledger.execute(_FOLLOWED, _followed_row(landing, asked))
        self.since = asked - self.following.overlap
        return landing if came else None

    def _prepared(self) -> tuple[dict[str, Door], dlt.Pipeline]:
        """Return doors and pipeline, made anew when somebody asked to be forgotten meanwhile."""
        erasures = forgotten.erasures()
        state = erasures.stat().st_mtime_ns if erasures.exists() else None
        if self._ready is None or self._ready[2] != state:
            doors = doors_of(self.source, REAL)
            followed = {table: doors[table] for table in self.following.tables}
            self._ready = followed, _pipeline(self.source), state
        doors, pipeline, _ = self._ready
        return doors, pipeline

    def _last_ask(self) -> datetime | None:
        with registre.ledger() as ledger:
            ((last,),) = ledger.execute(
                "select max(debut_at) from registre.prises"
                " where source = ? and origine = ? and statut = 'ok' and curseur_a is not null",
                [self.source.name, REAL],
            ).fetchall()
        return last - self.following.overlap if last else None

    def _new_files(self) -> set[tuple[str, int, int]]:
        """Return the files of the depot that lie still, and that no landing of ours has seen."""
        found = set()
        folder = stores.depot() / self.source.name
        for path in folder.iterdir() if self.source.reads and folder.is_dir() else ():
            with suppress(FileNotFoundError):  # taken away since the listing
                stat = path.stat()
                if not path.name.startswith(".") and wall_clock() - stat.st_mtime > AT_REST:
                    found.add((path.name, stat.st_size, stat.st_mtime_ns))
        return found - self._files


def _busy() -> None:
    raise BusyError


# All that a source brought in a day by being followed is one line of the ledger.
_FOLLOWED = """
insert into registre.prises by name
select
    $prise_id as prise_id, $source as source, $origine as origine, $debut_at as debut_at,
    $secondes as secondes, $lues as lignes_lues, $nouvelles as lignes_nouvelles,
    $modifiees as lignes_modifiees, 0 as lignes_ecartees, 0 as fichiers_pris,
    0 as fichiers_refuses, 'ok' as statut
on conflict (prise_id) do update set
    debut_at = excluded.debut_at,
    secondes = secondes + excluded.secondes,
    lignes_lues = lignes_lues + excluded.lignes_lues,
    lignes_nouvelles = lignes_nouvelles + excluded.lignes_nouvelles,
    lignes_modifiees = lignes_modifiees + excluded.lignes_modifiees
"""


def _followed_row(landing: Landing, asked: datetime) -> dict[str, Any]:
    return {
        "prise_id": f"suivi/{landing.source}/{asked:%Y-%m-%d}",
        "source": landing.source,
        "origine": landing.origin,
        "debut_at": asked,
        "secondes": landing.seconds,
        "lues": landing.total("read"),
        "nouvelles": landing.total("new"),
        "modifiees": landing.total("changed"),
    }


def _landed_through(
    source: Source,
    past: _Past,
    way: _Way,
    before: Landing | None,
    report: Report,
    believes: bool,
) -> Landing:
    """Land one way, write the ledger, and return what was done since the first of the ways."""
    started, clock = datetime.now(UTC), monotonic()
    first = before is None and not past.landed
    doors = doors_of(source, way.origin, landed=not first)
    if way.asks or not past.exists:
        _load(source, way, doors, first, report)
    landing = _summarise(source, past, way, doors)
    with registre.ledger() as ledger:
        deleted, held = _replace_windows(ledger, source, way, doors, believes)
        landing = replace(
            landing,
            warnings=landing.warnings + held,
            tables={
                table: replace(counts, deleted=deleted.get(table, 0))
                for table, counts in landing.tables.items()
            },
            seconds=monotonic() - clock,
        )
        _record(ledger, landing, way, doors, started)
    if before is None:
        return landing
    return replace(
        landing,
        tables={table: before.tables[table] + counts for table, counts in landing.tables.items()},
        warnings=list(dict.fromkeys((*before.warnings, *landing.warnings))),
        files_taken=before.files_taken + landing.files_taken,
        files_refused=before.files_refused + landing.files_refused,
        seconds=before.seconds + landing.seconds,
        cursor_from=before.cursor_from if before.cursor_to else landing.cursor_from,
        switched=before.switched or landing.switched,
    )


def _replace_windows(
    ledger: duckdb.DuckDBPyConnection,
    source: Source,
    way: _Way,
    doors: Mapping[str, Door],
    believes: bool,
) -> tuple[dict[str, int], list[str]]:
    """Delete what a service told of the window once, and no longer tells.

    Return table → rows deleted, and what is said of a table that shrinks too much to be believed:
    nothing of it is deleted.
    """
    deleted, held = {}, []
    for table, column in source.windows.items() if way.until else ():
        door = doors[table]
        nothing = pa.table({name: pa.array([], pa.string()) for name in door.key})
        ledger.register("seen", pa.concat_tables(door.seen) if door.seen else nothing)
        same = " and ".join(f"landed.{name} = seen.{name}" for name in door.key)
        window = (
            f"from raw_{source.name}.{table} as landed"
            f" where _origine = ? and {column} between ? and ?"
        )
        gone = f"{window} and not exists (select 1 from seen where {same})"
        asked = [way.origin, way.since, way.until]
        ((before,),) = ledger.execute(f"select count(*) {window}", asked).fetchall()
        ((lost,),) = ledger.execute(f"select count(*) {gone}", asked).fetchall()
        if before >= HELD_FROM and before - lost < HELD_BELOW * before and not believes:
            held.append(
                f"{table} : le service ne donne plus que {before - lost} des {before} lignes du "
                f"{way.since:%d/%m/%Y} au {way.until:%d/%m/%Y} ; rien n’est retiré. Remède : si "
                f"la baisse est vraie, `python -m dlt_pipelines {source.name} --reprendre`"
            )
            lost = 0
        else:
            ledger.execute(f"delete {gone}", asked)
        ledger.unregister("seen")
        deleted[table] = lost
    return deleted, held


def _remember(ledger: duckdb.DuckDBPyConnection, source: Source) -> _Past:
    described = {
        "source": source.name,
        "libelle": source.label,
        "pilier": source.pillar,
        "fraicheur_max_heures": int(source.max_age / timedelta(hours=1)),
        "licence": source.licence,
        "url": source.url,
    }
    registre.write(ledger, "registre.sources", [described], "insert or replace")
    ledger.execute("delete from registre.traitements where source = ?", [source.name])
    processed = traitements.rows(source, doors_of(source, REAL, landed=False))
    registre.write(ledger, "registre.traitements", processed, "insert")
    taken = ledger.execute(
        "select empreinte from registre.fichiers where source = ? and statut = 'pris'",
        [source.name],
    ).fetchall()
    # A landing that met nothing (no file, an empty answer) says nothing of where the data is from.
    landings = ledger.execute(
        "select origine, max(curseur_a) from registre.prises where source = ? and statut = 'ok'"
        " group by origine having sum(fichiers_pris) > 0 or max(curseur_a) is not null",
        [source.name],
    ).fetchall()
    tables = ledger.execute(
        "select table_name from duckdb_tables() where schema_name = ?", [f"raw_{source.name}"]
    ).fetchall()
    asked = ledger.execute(
        "select max(debut_at) from registre.prises where source = ? and origine = ?"
        " and statut = 'ok' and curseur_a is not null",
        [source.name, REAL],
    ).fetchone()
    done = ledger.execute(
        "select count(*) from registre.prises where source = ? and statut = 'ok'", [source.name]
    ).fetchone()
    return _Past(
        origins=frozenset(origin for origin, _ in landings),
        taken=frozenset(digest for (digest,) in taken),
        cursors={origin: cursor for origin, cursor in landings if cursor},
        exists={table for (table,) in tables}.issuperset(source.tables),
        asked_at=asked[0] if asked else None,
        landed=bool(done and done[0]),
    )


@contextmanager
def _ways_in(
    source: Source, past: _Past, report: Report, deadline: float
) -> Iterator[Iterable[_Way]]:
    """Choose the ways in: real files, then the live service; the sandbox where there is neither.

    A source that was once fed by real data is never played by the sandbox again.
    """
    if dlt.config.get(f"sources.{source.name}.enabled", bool) is False:
        report("source éteinte dans config.toml : rien n’est pris")
        yield [_Way(REAL)]
        return
    folder = source.folder() if source.folder else stores.depot() / source.name
    real = _opened(source, folder, REAL, past, report)
    every = timedelta(hours=dlt.config.get(f"sources.{source.name}.every_hours", float) or 0)
    is_live = bool(dlt.config.get(f"sources.{source.name}.live", bool))
    if is_live and past.asked_at and datetime.now(UTC) - past.asked_at < every:
        report(f"service déjà demandé à {past.asked_at.astimezone(PARIS):%H:%M le %d/%m}")
        yield [real]
    elif source.has_api and is_live:
        report(f"{source.label} : service en ligne")
        today = datetime.now(PARIS).date()
        start = EPOCH if source.keeps_history else today - timedelta(days=1)
        start = today - source.reach if source.reach else start
        ways = _slices(source, past, REAL, start, today)
        session = polite.Session(deadline)
        for way in ways:
            # A service that tells of now is asked for now, not for the midnight before.
            until = way.until if source.keeps_history else None
            way.asks = [partial(source.declare, session=session, since=way.since, until=until)]
        if real.files:
            ways.insert(0, real)
        else:
            ways[0].refused = real.refused
        yield ways
    elif (dataset := _dataset(source)) and is_live:
        report(f"{source.label} : data.gouv.fr")
        portal = dlt.config["sources.datagouv.base_url"]
        session = polite.Session(deadline)
        fetched = _fetched(source, REAL, past, session, portal, *dataset, report)
        fetched.refused += real.refused
        yield [*([real] if real.files else []), fetched]
    elif real.files or source.folder or REAL in past.origins:
        yield [real]
    else:
        report("bac à sable : données inventées")
        world = sandbox.world()
        with sandbox.serve(world) as url:
            played = _played(source, past, world, url, report, polite.Session(deadline))
            played[-1].refused += real.refused
            yield played


def _slices(source: Source, past: _Past, origin: str, start: date, end: date) -> list[_Way]:
    """Cut what is left to ask, from the last cursor on, into slices that land one by one."""
    cursor = past.cursors.get(origin)
    since = date.fromisoformat(cursor) - source.look_back if cursor else start
    ways: list[_Way] = []
    while not ways or since < end:
        until = min(end, since + source.slice)
        ways.append(_Way(origin, since=since, until=until, cursor_from=cursor))
        cursor, since = until.isoformat(), until
    return ways


def _opened(source: Source, folder: Path, origin: str, past: _Past, report: Report) -> _Way:
    """Open the files of `folder` that were not taken yet; refuse those that are something else."""
    way = _Way(origin)
    if not source.reads:
        return way
    if source.folder and not folder.is_dir():
        raise LandingError(f"{source.label} : le dossier {folder} est absent", "make install")
    missing = next(iter(doors_of(source, origin, landed=False).values())).missing
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        # A package holds more files than ours; a depot holds only what was meant for it.
        if path.name.startswith(".") or (source.folder and path.stem not in source.tables):
            continue
        file = depot.File(path, f"illisible : {path.name}", 0)
        try:
            file = depot.File.identify(path)
            if file.digest in {*past.taken, *(other.digest for other in way.files)}:
                continue
            if source.reads == "json":
                file.open_json(source.recognise)
            else:
                file.open_csv(missing, source.header)
        except depot.RefusedFileError as error:
            report(f"{file.name} refusé : {error}")
            way.refused.append((file, str(error)))
        else:
            way.files.append(file)
    if source.reads == "csv":
        way.asks = [
            partial(source.declare, **_nothing(source) | {"pages": file.pages()})
            for file in way.files
        ]
    elif way.files:
        documents = [(file.name, file.document) for file in way.files]
        way.asks = [partial(source.declare, **_nothing(source) | {"documents": documents})]
    return way


def _dataset(source: Source) -> tuple[str, str] | None:
    """Return the dataset of data.gouv.fr that feeds `source`, and which of its files."""
    dataset = dlt.config.get(f"sources.{source.name}.dataset", str)
    resource = dlt.config.get(f"sources.{source.name}.resource", str)
    return (dataset, resource or "") if dataset else None


def _fetched(
    source: Source,
    origin: str,
    past: _Past,
    session: polite.Session,
    portal: str,
    dataset: str,
    wanted: str,
    report: Report,
) -> _Way:
    """Fetch a dataset of data.gouv.fr, if it has changed since it was last read."""
    try:
        resource = datagouv.resolve(session, portal, dataset, wanted)
    except LookupError as error:
        remedy = "corriger dataset ou resource dans dlt_pipelines/.dlt/config.toml"
        raise LandingError(f"{source.label} : {error}", remedy) from error
    way = _Way(origin, cursor_from=past.cursors.get(origin), version=resource.version)
    if resource.version == way.cursor_from:
        report(f"{resource.title} : inchangé depuis la dernière prise")
        return way
    file = datagouv.fetch(session, resource)
    if file.digest in past.taken:
        return way
    try:
        missing = next(iter(doors_of(source, origin, landed=False).values())).missing
        file.open_csv(missing, source.header)
    except depot.RefusedFileError as error:
        report(f"{file.name} refusé : {error}")
        way.refused.append((file, str(error)))
        way.version = None  # to be read again, once mended
    else:
        way.files.append(file)
        way.asks.append(partial(source.declare, **_nothing(source) | {"pages": file.pages()}))
    return way


def _played(
    source: Source,
    past: _Past,
    world: sandbox.World,
    url: str,
    report: Report,
    session: polite.Session,
) -> list[_Way]:
    """Let the sandbox play the source, by the files that it drops and by its API."""
    if _dataset(source):
        portal = sandbox.settings("datagouv", url)["base_url"]
        return [_fetched(source, SANDBOX, past, session, portal, source.name, "", report)]
    ways: list[_Way] = []
    if source.name in sandbox.DROPS:
        folder = stores.data() / "sandbox" / source.name
        sandbox.drop(world, source.name, folder)
        dropped = _opened(source, folder, SANDBOX, past, report)
        if dropped.files or not source.has_api:
            ways.append(dropped)
    if not source.has_api:
        # What the sandbox does not play waits for its first real file.
        return ways or [_Way(SANDBOX)]
    cursor = past.cursors.get(SANDBOX)
    since = date.fromisoformat(cursor) if cursor else world.start
    first = max(world.start, since - source.look_back)
    way = _Way(SANDBOX, since=first, until=world.end, cursor_from=cursor)
    # A service that forgets is asked again and again along its past.
    step = world.end - world.start if source.keeps_history else source.observed_every
    stops = [world.end]
    while stops[0] - step > since:
        stops.insert(0, stops[0] - step)
    for start, stop in zip((since, *stops), stops, strict=False):
        way.asks.append(
            partial(
                source.declare,
                **_invented(source, url, stop),
                session=session,
                since=max(world.start, start - source.look_back),
                until=stop,
            )
        )
    return [*ways, way]


def _invented(source: Source, url: str, day: date) -> dict[str, Any]:
    """Return what a source is configured with when the sandbox plays it as `day` begins."""
    now = None if source.keeps_history else datetime.combine(day, time(), PARIS)
    return sandbox.settings(source.name, url, now)


def doors_of(source: Source, origin: str, landed: bool = True) -> dict[str, Door]:
    """Return the door of each table, as its source declares it, without asking anything."""
    doors = {}
    for table, resource in source.declare(**_nothing(source)).resources.items():
        columns = resource.compute_table_schema()["columns"]
        key = [name for name, hints in columns.items() if hints.get("primary_key")]
        gone = forgotten.forgotten(source, table) if landed else forgotten.opposed(source, table)
        door = Door(table, columns, key, origin, table in source.windows, gone)
        if landed:
            _remind(door, source)
        doors[table] = door
    return doors


def _nothing(source: Source) -> dict[str, Any]:
    """Return arguments under which a source declares its tables and has nobody to ask."""
    files = {"csv": {"pages": ()}, "json": {"documents": ()}, None: {}}
    empty = {
        name: (get_origin(parameter.annotation) or parameter.annotation)()
        for name, parameter in signature(source.declare).parameters.items()
        if parameter.default in (dlt.config.value, dlt.secrets.value)
    }
    return empty | files[source.reads]


def _remind(door: Door, source: Source) -> None:
    """Tell a door which rows have already landed from its origin."""
    with registre.ledger() as ledger, suppress(duckdb.CatalogException):
        landed = ledger.execute(
            f"select {door.hashes} from raw_{source.name}.{door.table} where _origine = ?",
            [door.origin],
        )
        door.known.meet(*hashes(landed.to_arrow_table()))


def _load(
    source: Source, way: _Way, doors: Mapping[str, Door], first: bool, report: Report
) -> None:
    pipeline = _pipeline(source)
    # The tables of a source are declared together, over one session where it opens one.
    way.asks = [cache(ask) for ask in way.asks]
    with registre.WRITER:
        if first:
            _start_again(source, pipeline)
        # What an interrupted landing left behind goes in first: dlt would take nothing else.
        pipeline.run()
    # Rows that an extraction wrote before it was cut: dlt would keep them for ever.
    for cut in Path(pipeline.working_dir, "normalize").glob("*/"):
        if cut.name != NormalizeStorage.EXTRACTED_FOLDER:
            shutil.rmtree(cut)
    pipeline.extract([_protected(door, way, first, report) for door in doors.values()])
    for door in doors.values():
        door.close()  # what it remembers takes the memory that loading needs
    pipeline.normalize()
    with registre.WRITER:
        pipeline.load()


def _pipeline(source: Source) -> dlt.Pipeline:
    return dlt.pipeline(
        source.name,
        pipelines_dir=str(stores.data() / "dlt"),
        destination=dlt.destinations.duckdb(_credentials(source)),
        dataset_name=f"raw_{source.name}",
    )


def _credentials(source: Source) -> DuckDbCredentials:
    """Return how dlt opens the raw store, each time that it writes."""
    opened = {"memory_limit": MEMORY}
    if not stores.key():
        return DuckDbCredentials(str(stores.raw()), global_config=opened)
    # An encrypted file can only be attached: dlt opens an empty one, and works in the other.
    empty = stores.data() / "dlt" / f"{source.name}.vide"
    empty.parent.mkdir(exist_ok=True)
    return DuckDbCredentials(
        str(empty),
        global_config=opened | {"temp_file_encryption": True},
        statements=stores.attaching(stores.raw(), "raw", storage=registre.STORAGE),
        local_config={"schema": "raw.main"},
    )


def _start_again(source: Source, pipeline: dlt.Pipeline) -> None:
    """Undo what a first landing left when it was interrupted: the ledger knows nothing of it."""
    if pipeline.has_pending_data:
        pipeline.drop()
    with registre.ledger() as ledger:
        for table in source.tables:
            with suppress(duckdb.CatalogException):
                ledger.execute(f"delete from raw_{source.name}.{table}")


def _protected(door: Door, way: _Way, first: bool, report: Report) -> DltResource:
    """Return the dlt resource of one table: what the asks yield, once through the door."""
    merge = dlt.mark.make_hints(write_disposition="merge")

    def rows() -> Iterator[Any]:
        # An empty table of Arrow, and not dlt's mark: the table is then the one that rows fill.
        yield door.empty()
        pages = (page for ask in way.asks for page in _pages(ask().resources[door.table]))
        for admitted in door.admit(pages):
            report(f"{door.table} : {door.tally.read:,} lignes lues".replace(",", " "))
            if first and door.tally.changed:
                yield dlt.mark.with_hints(admitted, merge)
            elif admitted.num_rows:
                yield admitted

    # A first landing meets no row that it would correct, unless the door saw a key come twice: it
    # goes in at once, in half the time of a merge.
    return _resource(door, rows(), "append" if first else "merge")


def _resource(
    door: Door, rows: Iterator[Any], disposition: Literal["append", "merge"]
) -> DltResource:
    columns: dict[str, Any] = {
        column.name: {"data_type": column.data_type, "nullable": not column.required}
        for column in door.kept
    }
    columns |= {
        "_fichier": {"data_type": "text"},
        "_ligne": {"data_type": "bigint"},
        "_empreinte": {"data_type": "text"},
        "_origine": {"data_type": "text"},
        # Within one landing, the row read last stands.
        "_rang": {"data_type": "bigint", "dedup_sort": "desc"},
    }
    return dlt.resource(
        rows,
        name=door.table,
        columns=columns,
        primary_key=door.key,
        write_disposition=disposition,
    )


def _pages(resource: DltResource) -> Iterator[Any]:
    """Yield what a resource yields; iterating over it as dlt does costs 20 ms more each time."""
    pipe = resource._pipe
    pipe.evaluate_gen()
    yield from cast(Iterator[Any], pipe.gen)


def _summarise(source: Source, past: _Past, way: _Way, doors: Mapping[str, Door]) -> Landing:
    tables = {
        table: TableLanding(t.read, t.new, t.changed, t.aside, t.excluded)
        for table, t in ((table, door.tally) for table, door in doors.items())
    }
    if broken := sum(len(file.broken) for file in way.files):
        # Lines that are no rows never reached a door; a CSV feeds one table.
        table, one = next(iter(tables.items()))
        tables[table] = one + TableLanding(read=broken, new=0, changed=0, quarantined=broken)
    return Landing(
        source=source.name,
        origin=way.origin,
        tables=tables,
        files_taken=[file.name for file in way.files],
        files_refused=[(file.name, reason) for file, reason in way.refused],
        warnings=[
            f"{table} : colonne inconnue, non reprise : « {name} »"
            for table, door in doors.items()
            for name in sorted(map(privacy.redact, door.tally.unknown))
        ]
        + [
            f"{table} : {door.tally.excluded} lignes sensibles exclues, dont rien n’est gardé"
            for table, door in doors.items()
            if door.tally.excluded
        ]
        + [
            f"{table} : {door.tally.forgotten} lignes non reprises, purgées ou effacées"
            for table, door in doors.items()
            if door.tally.forgotten
        ],
        seconds=0,
        cursor_from=way.cursor_from,
        cursor_to=way.cursor_to,
        switched=way.origin == REAL and SANDBOX in past.origins and REAL not in past.origins,
    )


def _record(
    ledger: duckdb.DuckDBPyConnection,
    landing: Landing,
    way: _Way,
    doors: Mapping[str, Door],
    started: datetime,
) -> None:
    """Write the ledger; real data drives the sandbox's rows out of its source."""
    source, origin = landing.source, landing.origin
    if landing.origin == REAL and (way.files or way.cursor_to):
        for table in doors:
            ledger.execute(f"delete from raw_{source}.{table} where _origine = ?", [SANDBOX])
        for table in ("registre.fichiers", "quarantaine.lignes"):
            ledger.execute(
                f"delete from {table} where source = ? and origine = ?", [source, SANDBOX]
            )
    for table, door in doors.items():
        ledger.execute(
            "delete from quarantaine.lignes where source = ? and table_name = ?"
            " and list_contains(?, fichier)",
            [source, table, sorted(door.tally.whences)],
        )
    common = {"source": source, "origine": origin, "prise_at": started}
    for table, door in doors.items():
        ledger.register("aside", door.tally.rejects)
        ledger.execute(
            "insert into quarantaine.lignes by name select *, $source as source,"
            " $origine as origine, $prise_at as prise_at, $table as table_name from aside",
            {**common, "table": table},
        )
        ledger.unregister("aside")
    broken = [
        {
            **common,
            "table_name": next(iter(doors)),
            "fichier": file.name,
            "ligne": line,
            "classe_valeur": "ligne entière",
            "motif": reason,
        }
        for file in way.files
        for line, reason in file.broken
    ]
    registre.write(ledger, "quarantaine.lignes", broken, "insert")
    registre.write(
        ledger,
        "registre.fichiers",
        [
            {
                **common,
                **_file_row(file, doors),
                "avertissements": " ; ".join(landing.warnings) or None,
            }
            for file in way.files
        ]
        + [
            {
                **common,
                "origine": REAL,
                "empreinte": file.digest,
                "fichier": file.name,
                "statut": "refuse",
                "motif": reason,
                "octets": file.size,
            }
            for file, reason in way.refused
        ],
        "insert or replace",
    )
    registre.write(
        ledger,
        "registre.prises",
        [
            {
                "prise_id": uuid.uuid4().hex,
                "source": source,
                "origine": origin,
                "debut_at": started,
                "secondes": landing.seconds,
                "lignes_lues": landing.total("read"),
                "lignes_nouvelles": landing.total("new"),
                "lignes_modifiees": landing.total("changed"),
                "lignes_ecartees": landing.total("quarantined"),
                "fichiers_pris": len(way.files),
                "fichiers_refuses": len(way.refused),
                "curseur_de": way.cursor_from,
                "curseur_a": way.cursor_to,
                "statut": "ok",
            }
        ],
        "insert",
    )


def _record_failure(source: Source, started: datetime, error: LandingError) -> None:
    row = {
        "prise_id": uuid.uuid4().hex,
        "source": source.name,
        "debut_at": started,
        "secondes": (datetime.now(UTC) - started).total_seconds(),
        "statut": "echec",
        "message": str(error),
    }
    # The failure itself is what matters: it is raised whether or not the ledger can be written.
    with suppress(Exception), registre.ledger() as ledger:
        registre.write(ledger, "registre.prises", [row], "insert")


def _file_row(file: depot.File, doors: Mapping[str, Door]) -> dict[str, Any]:
    read = sum(door.tally.by_whence[file.name][0] for door in doors.values()) + len(file.broken)
    aside = sum(door.tally.by_whence[file.name][1] for door in doors.values()) + len(file.broken)
    return {
        "empreinte": file.digest,
        "fichier": file.name,
        "statut": "pris",
        "octets": file.size,
        "lignes_lues": read,
        "lignes_retenues": read - aside,
        "lignes_ecartees": aside,
    }


def _explained(source: Source, error: Exception) -> LandingError:
    """Return the cause and the remedy of a failure, without a word of the data."""
    cause: BaseException = error
    while isinstance(cause, PipelineStepFailed | ExtractionError) and cause.__cause__:
        cause = cause.__cause__
    if isinstance(cause, LandingError):
        return cause
    keys = "l’environnement ou dlt_pipelines/.dlt/secrets.toml"
    status = getattr(getattr(cause, "response", None), "status_code", None)
    transient = isinstance(cause, registre.LockedError | RequestException)
    match cause:
        case forgotten.KeysError() | stores.StoreKeyError():
            said, _, remedy = str(cause).partition("Remède : ")
        case registre.LockedError():
            said, remedy = (
                str(cause),
                "attendre la fin de l’exécution en cours, ou fermer ce programme",
            )
        case sandbox.SandboxError():
            said, _, remedy = str(cause).partition("Remède : ")
        case ConfigFieldMissingException():
            key = "__".join(("SOURCES", source.name, *cause.fields)).upper()
            said, remedy = "réglage absent", f"donner {key} dans {keys}"
        case LookupError() if type(cause) is LookupError:
            # The word of a source that does not find what it expects.
            said, remedy = str(cause), "comparer le contrat du service à son module de source"
        case polite.AnswerTooLargeError():
            transient = False
            said, remedy = str(cause), "vérifier l’adresse du service et ce qu’il répond"
        case polite.TimeBudgetError():
            said, remedy = str(cause), "relancer plus tard : la prochaine prise reprendra ici"
        case RequestException() if status in (401, 403):
            transient = False
            said = f"clé refusée (HTTP {status})"
            remedy = f"vérifier la clé et ses droits dans {keys}"
        case RequestException():
            said = f"service injoignable ou en erreur (HTTP {status or 'sans réponse'})"
            remedy = "relancer plus tard ; rien n’est perdu"
        case OSError():
            said = f"lecture ou écriture impossible ({cause.strerror or type(cause).__name__})"
            remedy = f"vérifier la place et les droits de {stores.data()}, puis relancer"
        case _:
            said = f"erreur inattendue ({type(cause).__name__})"
            remedy = "lire la trace au journal ; relancer reprend sans rien perdre ni doubler"
    return LandingError(f"{source.label} : {said}", remedy, transient)
