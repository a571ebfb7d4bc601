"""`kill -9` at random moments of each step, and what is left: nothing lost, nothing doubled.

A small invented world is built whole; a day is added to it. For every kill, a copy of that world
runs one step in a process of its own, which dies at a random moment:

* of dlt's extract, normalize or load, or of the ledger that follows, for a source that the day
  changes, while another source lands beside it;
* of dbt, of a publication, of a swap of the site.

The process says what it does as it goes, so that a death is told of the moment in which it fell.
It is forked from one that has imported and parsed everything: dying there would try nothing. Then:

* what readers had stands: the previous publication opens and says what it said, or already says
  all of the new one; the site is one whole site;
* running again, and nothing else, gives what a run that nobody killed gives: every raw table and
  every published mart has the same rows, and the same values where two runs that nobody killed
  agree on them (marts that tell the time of a landing do not);
* the dead leave nothing that stays: files and bytes are those of a run that nobody killed.
"""

import argparse
import importlib
import multiprocessing
import os
import pkgutil
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import dlt
import duckdb

from benchmarks import Metric, record
from dbt_project import udfs
from dlt_pipelines import landings, sandbox, stores
from dlt_pipelines.catalog import CATALOG
from orchestration import publication, site, warehouse

FORK = multiprocessing.get_context("fork")
# Moment → its share of the kills.
LANDING = {"extract": 0.18, "normalize": 0.14, "load": 0.2, "registre": 0.1}
STEPS = {"dbt": 0.08, "publication": 0.15, "bascule du site": 0.15}
MOMENTS = LANDING | STEPS
OVER = "fini"
FIRST, DAYS, SIZE = date(2026, 3, 1), (date(2026, 3, 15), date(2026, 3, 16)), 0.05
TIMEOUT = 900  # seconds
BESIDE = 1  # source that lands with the one aimed at
PAGES = 100  # of each invented site
SWAPS = 50  # that follow each other, so that a moment chosen at random falls into one
# Where a death could leave something for ever.
CORNERS = (
    *("*", "etat/*", "published/*"),
    *("dlt/*/load/new/*", "dlt/*/load/normalized/*", "dlt/*/normalize/*/*"),
)

Contents = dict[str, tuple[int, object]]  # table → rows, digest
Heard = tuple[float, str, str]  # when, who (a source or a step), which moment begins for it
Span = tuple[str, str, int]  # who, moment, the how manieth of this name
Say = Callable[[str, str], None]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kills",
        description="Tue chaque étape à des moments tirés au sort, relance, et compte.",
    )
    parser.add_argument("--kills", type=int, default=100, help="morts en tout (100)")
    parser.add_argument("--only", choices=MOMENTS, help="toutes en ce moment-là")
    parser.add_argument("--seed", type=int, default=1, help="graine des moments (1)")
    arguments = parser.parse_args()
    shares = {arguments.only: 1.0} if arguments.only else MOMENTS
    aims = [
        moment for moment, share in shares.items() for _ in range(round(share * arguments.kills))
    ]
    draw = Random(arguments.seed)  # noqa: S311
    draw.shuffle(aims)
    with tempfile.TemporaryDirectory() as folder:
        trial = _Trial(Path(folder), draw)
        told = trial.suffer(aims)
    metrics = [Metric("morts", sum(len(kills.at) for kills in told.values()))]
    for moment, kills in told.items():
        metrics += [
            Metric(f"{moment} : morts", len(kills.at)),
            Metric(f"{moment} : lecteurs troublés", len(kills.disturbed), "morts", "0"),
            Metric(f"{moment} : lignes perdues", kills.lost, "lignes", "0"),
            Metric(f"{moment} : lignes doublées", kills.doubled, "lignes", "0"),
            Metric(f"{moment} : valeurs changées", len(kills.changed), "morts", "0"),
            Metric(f"{moment} : restes", len(kills.left), "morts", "0"),
            Metric(f"{moment} : relances en échec", len(kills.failed), "morts", "0"),
        ]
    metrics += [
        Metric("étapes finies avant leur mort, retirées au sort", trial.survived),
        Metric("une mort et sa relance, médiane", median(trial.seconds), "s"),
        Metric("dont processeur, médiane", median(trial.processor), "s"),
    ]
    record(
        "kills",
        metrics,
        seed=arguments.seed,
        tables_compared=trial.compared,
        deaths={moment: sorted(kills.at) for moment, kills in told.items()},
        problems=[problem for kills in told.values() for problem in kills.problems],
    )
    problems = [problem for kills in told.values() for problem in kills.problems]
    print("\n".join(problems[:20]))
    return 1 if problems else 0


@dataclass
class _Kills:
    at: list[str] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0
    disturbed: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return self.disturbed + self.changed + self.left + self.failed


# --- what a process does, and says of it ----------------------------------------------------------


def _land(say: Say, *sources: str) -> None:
    def telling(moment: str) -> Callable[..., Any]:
        real = getattr(dlt.Pipeline, moment)

        def told(pipeline: dlt.Pipeline, *given: Any, **named: Any) -> Any:
            say(pipeline.pipeline_name, moment)
            done = real(pipeline, *given, **named)
            if moment == "load":
                say(pipeline.pipeline_name, "registre")
            return done

        return told

    for moment in ("extract", "normalize", "load"):
        setattr(dlt.Pipeline, moment, telling(moment))
    with landings.land_together(sources or CATALOG) as started:
        for name, landing in started.items():
            say(name, OVER if landing.result().changed else f"{OVER}, inchangé")


def _build(say: Say) -> None:
    build = warehouse.build
    # Tests write nothing: they are left out.
    leave_out = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    warehouse.build = lambda arguments, report: build([*arguments, *leave_out], report)
    say("dbt", "dbt")
    if error := warehouse.broken(warehouse.refresh(lambda line: None).nodes):
        raise error
    say("dbt", OVER)


def _publish(say: Say) -> None:
    say("publication", "publication")
    publication.publish(stores.warehouse(), stores.published(), stores.published_parquet())
    say("publication", OVER)


def _swap(say: Say) -> None:
    say("bascule du site", "bascule du site")
    for turn in range(SWAPS):
        invented = stores.data() / f"invente_{turn % 2}"
        site._swap(invented / "pages", stores.site(), invented / "telechargements")
    say("bascule du site", OVER)


WORK: dict[str, Callable[..., None]] = {
    "prise": _land,
    "dbt": _build,
    "publication": _publish,
    "bascule du site": _swap,
}


class _Process:
    """One step on a world, in a process forked from this one."""

    def __init__(self, world: Path, day: date, step: str, *sources: str) -> None:
        self.hears, says = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=_inside, args=(says, world, day, step, sources))
        self.process.start()
        says.close()

    def run(self) -> list[Heard]:
        """Return all that it says until it ends.

        Raises:
            RuntimeError: it failed.
        """
        heard = []
        while one := self._heard(TIMEOUT):
            heard.append(one)
        self.process.join(TIMEOUT)
        if self.process.exitcode != 0:
            self.process.kill()
            raise RuntimeError(heard[-1][2] if heard else f"fin {self.process.exitcode}")
        return heard

    def die(self, aim: Span, after: float) -> str | None:
        """Kill it `after` so many seconds of `aim`; return the moment in which death found it.

        None if it ended before.

        Raises:
            RuntimeError: it failed before.
        """
        who, wanted, turn = aim
        now, due = "", None
        while one := self._heard(max(0.0, due - time.monotonic()) if due else TIMEOUT):
            at, said_by, moment = one
            if said_by != who:
                continue
            now = moment
            if moment == wanted:
                due = at + after if turn == 0 else due
                turn -= 1
        self.process.kill()
        self.process.join()
        while one := self._heard(0):
            now = one[2] if one[1] == who else now
        if self.process.exitcode not in (0, -signal.SIGKILL):
            raise RuntimeError(f"échec avant la mort, {now}")
        return None if now.startswith(OVER) or self.process.exitcode == 0 else now

    def _heard(self, seconds: float) -> Heard | None:
        try:
            return self.hears.recv() if self.hears.poll(seconds) else None
        except EOFError:
            return None


def _inside(says: Connection, world: Path, day: date, step: str, sources: tuple[str, ...]) -> None:
    os.environ["CYBERIMPACT_DATA"] = str(world)
    os.environ["CYBERIMPACT_PSEUDONYM_KEY"] = "essai"
    sandbox.world = lambda: sandbox.World(FIRST, day, size=SIZE)  # type: ignore[assignment,misc]
    try:
        # One short message is one write: threads do not mix theirs.
        WORK[step](lambda who, moment: says.send((time.monotonic(), who, moment)), *sources)
    except BaseException:
        says.send((time.monotonic(), step, traceback.format_exc()[-3000:]))
        sys.exit(1)


# --- the trial ------------------------------------------------------------------------------------


class _Trial:
    """The world before a step, after it, and how long each moment of it takes."""

    def __init__(self, folder: Path, draw: Random) -> None:
        self.folder, self.draw = folder, draw
        self.before: dict[str, Path] = {}
        self.after: dict[str, Contents] = {}
        self.spans: dict[Span, float] = {}
        self.survived = 0
        self.seconds: list[float] = []
        self.processor: list[float] = []
        _warm()
        world, again = folder / "monde", folder / "encore"
        for turn in range(2):
            _invent_site(world / f"invente_{turn}", turn)
        for step in WORK:
            _Process(world, DAYS[0], step).run()
        seen = [_published(world)]
        self.raw = _raw(world)
        for step in WORK:
            self.before[step] = folder / f"avant_{len(self.before)}"
            _copy(world, self.before[step])
            self._remember(_Process(world, DAYS[1], step).run())
            self.after[step] = CONTENTS[step](world)
        self.said = [*seen, _published(world)]
        self.entries = _entries(world)
        # A second time: what differs between two runs that nobody killed tells the time of day.
        _copy(self.before["prise"], again)
        for step, contents in CONTENTS.items():
            _Process(again, DAYS[1], step).run()
            now = contents(again)
            self.after[step] = {
                table: (rows, digest if now.get(table) == (rows, digest) else None)
                for table, (rows, digest) in self.after[step].items()
            }
        self.compared = {
            step: [len(tables), sum(digest is not None for _, digest in tables.values())]
            for step, tables in self.after.items()
        }

    def _remember(self, heard: list[Heard]) -> None:
        """Keep how long each moment lasted, of what the day changes."""
        for what in {who for _, who, moment in heard if moment == OVER}:
            told = [(at, moment) for at, who, moment in heard if who == what]
            turns = Counter[str]()
            for (at, moment), (until, _) in pairwise(told):
                self.spans[what, moment, turns[moment]] = until - at
                turns[moment] += 1

    def suffer(self, aims: list[str]) -> dict[str, _Kills]:
        told = {moment: _Kills() for moment in MOMENTS}
        for number, aim in enumerate(aims, 1):
            started, used = time.monotonic(), _processor()
            while not self._kill(aim, told):
                self.survived += 1
                started, used = time.monotonic(), _processor()
            self.seconds.append(time.monotonic() - started)
            self.processor.append(_processor() - used)
            wrong = [problem for kills in told.values() for problem in kills.problems]
            print(
                f"{number}/{len(aims)} {aim} · {self.seconds[-1]:.1f} s"
                f" ({self.processor[-1]:.1f} s de processeur) · {len(wrong)} défaut(s)",
                *wrong[-1:],
                flush=True,
            )
        return told

    def _kill(self, aim: str, told: dict[str, _Kills]) -> bool:
        """Kill a step, run it again, and write what is left under the moment it died in.

        Return whether it died, and did not end before.
        """
        span = self.draw.choice(sorted(span for span in self.spans if span[1] == aim))
        after = self.draw.random() * self.spans[span]
        step = "prise" if aim in LANDING else aim
        sources: tuple[str, ...] = ()
        if step == "prise":
            others = [name for name in CATALOG if name != span[0]]
            sources = (span[0], *self.draw.sample(others, BESIDE))
        world = self.folder / "mort"
        _copy(self.before[step], world)
        moment = _Process(world, DAYS[1], step, *sources).die(span, after)
        if moment is None:  # the machine is less busy than when it was measured
            self.spans[span] /= 2
            return False
        kills, where = told[moment], f"{span[0]}, {moment} ({aim} + {after:.3f} s)"
        kills.at.append(where)
        if trouble := self._trouble(world):
            kills.disturbed.append(f"{where} : {trouble}")
        try:
            _Process(world, DAYS[1], step, *sources).run()
        except RuntimeError as error:
            kills.failed.append(f"{where} : {error}")
            return True
        wanted = self.after[step]
        if step == "prise":
            landed = {table for table in wanted if table.split(".")[0] in sources}
            wanted = {table: (wanted if table in landed else self.raw)[table] for table in wanted}
        now = CONTENTS[step](world)
        changed = []
        for table, (rows, digest) in wanted.items():
            found = now.get(table, (0, None))
            kills.lost += max(0, rows - found[0])
            kills.doubled += max(0, found[0] - rows)
            if found[0] != rows or (digest is not None and found[1] != digest):
                changed.append(f"{table}, {found[0]} lignes pour {rows}")
        if changed:
            kills.changed.append(f"{where} : {' ; '.join(changed)}")
        if left := _entries(world) - self.entries:
            kills.left.append(f"{where} : {dict(left)}")
        if trouble := self._trouble(world):
            kills.disturbed.append(f"{where}, une fois relancé : {trouble}")
        return True

    def _trouble(self, world: Path) -> str | None:
        """Return what a reader would meet that is neither the old state nor the new one."""
        try:
            seen = {table: rows for table, (rows, _) in _published(world).items()}
            pages = [path.read_text("utf-8") for path in (world / "site").rglob("*.html")]
        except (duckdb.Error, OSError) as error:
            return f"{type(error).__name__} : {error}"
        if seen not in ({table: rows for table, (rows, _) in said.items()} for said in self.said):
            return "la publication n'est ni l'ancienne ni la nouvelle"
        if len(pages) != PAGES or len(set(pages)) != 1:
            return "le site n'est pas entier"
        return None


def _warm() -> None:
    """Import and parse what a step needs, so that a process forked from here does it at once."""
    for module in pkgutil.iter_modules(udfs.__path__, f"{udfs.__name__}."):
        importlib.import_module(module.name)
    warehouse._runner()


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _copy(world: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(world, target, symlinks=True)


def _invent_site(folder: Path, turn: int) -> None:
    for part in ("pages", "telechargements"):
        (folder / part).mkdir(parents=True)
        for page in range(PAGES // 2):
            (folder / part / f"{part}_{page}.html").write_text(f"site {turn}\n", "utf-8")


def _entries(world: Path) -> Counter[str]:
    """Return how many things lie where a death could leave some."""
    return Counter({where: len(list(world.glob(where))) for where in CORNERS})


def _raw(world: Path) -> Contents:
    with duckdb.connect(world / "raw.duckdb", read_only=True) as connection:
        return {
            f"{source.name}.{table}": connection.execute(
                "select count(*), sum(hash(cast(landed as varchar))) from (select * exclude"  # noqa: S608
                " (_fichier, _ligne, _rang, _dlt_load_id, _origine)"
                f' from raw_{source.name}."{table}") as landed'
            ).fetchall()[0]
            for source in CATALOG.values()
            for table in source.tables
        }


def _warehouse(world: Path) -> Contents:
    return _tables(world / "warehouse.duckdb")


def _published(world: Path) -> Contents:
    return _tables(world / "published" / "cyberimpact.duckdb")


def _tables(path: Path) -> Contents:
    with duckdb.connect(path, read_only=True) as connection:
        names = connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal order by all"
        ).fetchall()
        return {
            f"{schema}.{name}": connection.execute(
                f'select count(*), sum(hash(t)) from "{schema}"."{name}" as t'  # noqa: S608
            ).fetchall()[0]
            for schema, name in names
        }


CONTENTS: dict[str, Callable[[Path], Contents]] = {
    "prise": _raw,
    "dbt": _warehouse,
    "publication": _published,
    "bascule du site": _published,
}


if __name__ == "__main__":
    raise SystemExit(main())
