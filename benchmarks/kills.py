"""`kill -9` at random moments of each step, and what is left: nothing lost, nothing doubled.

A small invented world is built whole; a day is added to it. For every kill, a copy of that world
runs one step in a process that dies at a random moment of the step's usual time. Then:

* what readers had stands: the previous publication opens and says what it said, or already says
  all of the new one; the site is one whole site;
* running again, and nothing else, gives what a run that nobody killed gives: every raw table and
  every published mart has the same rows, and the same values where two runs that nobody killed
  agree on them (marts that tell the time of a landing do not).
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import environ
from pathlib import Path
from random import Random
from statistics import median

import duckdb
from rich.progress import track

from benchmarks import Metric, record
from dlt_pipelines import stores
from dlt_pipelines.catalog import CATALOG

# Step → what its process does, its share of the kills.
STEPS = {
    "prise": (
        """
        from dlt_pipelines.catalog import CATALOG
        from dlt_pipelines.landings import land_together
        with land_together(CATALOG) as landings:
            [landing.result() for landing in landings.values()]
        """,
        0.5,
    ),
    "entrepot": (
        """
        from orchestration import warehouse
        build = warehouse.refresh(lambda line: None)
        if error := warehouse.broken(build.nodes):
            raise error
        """,
        0.1,
    ),
    "publication": (
        """
        from dlt_pipelines import stores
        from orchestration.publication import publish
        publish(stores.warehouse(), stores.published(), stores.published_parquet())
        """,
        0.2,
    ),
    # Swaps follow each other, so that a moment chosen at random falls into one.
    "bascule du site": (
        """
        from dlt_pipelines import stores
        from orchestration.site import _swap
        for turn in range(150):
            _swap(stores.data() / f"site_{turn % 2}", stores.site())
        """,
        0.2,
    ),
}
CHILD = """
from datetime import date
from dlt_pipelines import sandbox
from dlt_pipelines.sandbox import World
sandbox.world = lambda: World(date(2026, 1, 1), date(2026, 3, {day}), size=0.2)
"""
FIRST_DAY, NEXT_DAY = 15, 16
FILES = 400  # of each invented site

Contents = dict[str, tuple[int, object]]  # table -> rows, digest


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.kills",
        description="Tue chaque étape à des moments tirés au sort, relance, et compte.",
    )
    parser.add_argument("--kills", type=int, default=100, help="morts en tout (100)")
    parser.add_argument("--seed", type=int, default=1, help="graine des moments (1)")
    arguments = parser.parse_args()
    draw = Random(arguments.seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        trial = _Trial(Path(folder))
        told = trial.suffer(arguments.kills, draw)
    metrics = []
    for step, kills in told.items():
        metrics += [
            Metric(f"{step} : morts", len(kills.moments), "", ""),
            Metric(f"{step} : finis avant leur mort", kills.survived, "", ""),
            Metric(f"{step} : lecteurs troublés", len(kills.disturbed), "morts", "0"),
            Metric(f"{step} : lignes perdues", kills.lost, "lignes", "0"),
            Metric(f"{step} : lignes doublées", kills.doubled, "lignes", "0"),
            Metric(f"{step} : valeurs changées", len(kills.changed), "tables", "0"),
            Metric(f"{step} : relances en échec", len(kills.failed), "morts", "0"),
            Metric(f"{step} : moment de la mort, médiane", median(kills.moments), "s"),
        ]
    record("kills", metrics, seed=arguments.seed, tables_compared=trial.compared)
    problems = [problem for kills in told.values() for problem in kills.problems]
    print("\n".join(problems[:20]))
    return 1 if problems else 0


@dataclass
class _Kills:
    moments: list[float] = field(default_factory=list)
    survived: int = 0
    lost: int = 0
    doubled: int = 0
    disturbed: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        return self.disturbed + self.changed + self.failed


class _Trial:
    """The world before a step, after it, and how long the step takes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.before: dict[str, Path] = {}
        self.seconds: dict[str, float] = {}
        self.after: dict[str, Contents] = {}
        self.said: tuple[Contents, Contents]  # what readers see before and after
        world = folder / "monde"
        for step in ("prise", "entrepot", "publication"):
            _run(world, step, FIRST_DAY)
        for turn in range(2):
            _invent_site(world / f"site_{turn}", turn)
        shutil.copytree(world / "site_0", world / "site")
        before = _published(world)
        for step in STEPS:
            self.before[step] = folder / f"avant_{step.split()[0]}"
            _copy(world, self.before[step])
            started = time.monotonic()
            _run(world, step, NEXT_DAY)
            self.seconds[step] = time.monotonic() - started
            self.after[step] = _contents(world, step)
        self.said = before, _published(world)
        # A second time: what differs between two runs that nobody killed tells the time of day.
        for step in ("prise", "entrepot", "publication"):
            again = folder / "encore"
            if step == "prise":
                _copy(self.before[step], again)
            _run(again, step, NEXT_DAY)
            self.after[step] = {
                table: (rows, digest if _contents(again, step)[table][1] == digest else None)
                for table, (rows, digest) in self.after[step].items()
            }
        self.compared = {
            step: [len(tables), sum(digest is not None for _, digest in tables.values())]
            for step, tables in self.after.items()
        }

    def suffer(self, kills: int, draw: Random) -> dict[str, _Kills]:
        told = {step: _Kills() for step in STEPS}
        plan = [
            step for step, (_, share) in STEPS.items() for _ in range(max(1, round(kills * share)))
        ]
        for step in track(plan, "morts"):
            # An interpreter and its imports come first: dying there tries nothing.
            moment = draw.uniform(0.15, 1.0) * self.seconds[step]
            with self._copy_of(step) as world:
                self._kill(world, step, moment, told[step])
        return told

    def _kill(self, world: Path, step: str, moment: float, kills: _Kills) -> None:
        process = _start(world, step, NEXT_DAY)
        try:
            process.wait(moment)
            kills.survived += 1
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        kills.moments.append(moment)
        where = f"{step} à {moment:.2f} s"
        if trouble := self._trouble(world):
            kills.disturbed.append(f"{where} : {trouble}")
        outcome = _start(world, step, NEXT_DAY)
        _, error = outcome.communicate(timeout=900)
        if outcome.returncode:
            kills.failed.append(f"{where} : {error[-400:]}")
            return
        now = _contents(world, step)
        for table, (rows, digest) in self.after[step].items():
            found = now.get(table, (0, None))
            kills.lost += max(0, rows - found[0])
            kills.doubled += max(0, found[0] - rows)
            if found[0] != rows or (digest is not None and found[1] != digest):
                kills.changed.append(f"{where} : {table}, {found[0]} lignes pour {rows}")

    def _trouble(self, world: Path) -> str | None:
        """Return what a reader would meet that is neither the old state nor the new one."""
        try:
            seen = _published(world)
            sites = {page.read_text("utf-8") for page in sorted((world / "site").iterdir())}
        except (duckdb.Error, OSError) as error:
            return f"{type(error).__name__} : {error}"
        if {table: rows for table, (rows, _) in seen.items()} not in (
            {table: rows for table, (rows, _) in said.items()} for said in self.said
        ):
            return "la publication n'est ni l'ancienne ni la nouvelle"
        if len(sites) != 1 or len(list((world / "site").iterdir())) != FILES:
            return "le site n'est pas entier"
        return None

    @contextmanager
    def _copy_of(self, step: str) -> Iterator[Path]:
        world = self.folder / "mort"
        _copy(self.before[step], world)
        try:
            yield world
        finally:
            shutil.rmtree(world)


def _start(world: Path, step: str, day: int) -> subprocess.Popen[str]:
    code = CHILD.format(day=day) + textwrap.dedent(STEPS[step][0])
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", code],
        cwd=stores.ROOT,
        env={**environ, "CYBERIMPACT_DATA": str(world), "CYBERIMPACT_PSEUDONYM_KEY": "essai"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(world: Path, step: str, day: int) -> None:
    process = _start(world, step, day)
    _, error = process.communicate(timeout=1800)
    if process.returncode:
        sys.exit(f"L'étape « {step} » échoue sans que personne la tue : {error[-2000:]}")


def _copy(world: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(world, target, symlinks=True)


def _invent_site(folder: Path, turn: int) -> None:
    folder.mkdir()
    for page in range(FILES):
        (folder / f"page_{page}.html").write_text(f"site {turn}\n", "utf-8")


def _contents(world: Path, step: str) -> Contents:
    how: dict[str, Callable[[Path], Contents]] = {"prise": _raw, "entrepot": _warehouse}
    return how.get(step, _published)(world)


def _raw(world: Path) -> Contents:
    with duckdb.connect(str(world / "raw.duckdb"), read_only=True) as connection:
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
    return _marts(world / "warehouse.duckdb")


def _published(world: Path) -> Contents:
    return _marts(world / "published" / "cyberimpact.duckdb")


def _marts(path: Path) -> Contents:
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'marts' order by all"
        ).fetchall()
        return {
            name: connection.execute(
                f'select count(*), sum(hash(m)) from marts."{name}" as m'  # noqa: S608
            ).fetchall()[0]
            for (name,) in names
        }


if __name__ == "__main__":
    raise SystemExit(main())
