"""Where one machine wins, and from where a cluster is worth it: the same dbt project on both.

    .venv-cluster/bin/python -m benchmarks.spark BASE [--rows 1000000 20000000] [--folder FOLDER]

BASE is a folder of data that `benchmarks.rebuild --folder` built. For each size, the raw tables of
its world are repeated up to that many messages, then each engine, in a process of its own, makes

    comptes   what is counted of messages, raw tables to marts: the path of `benchmarks.rebuild`
    textes    the places and the words read in texts, at the size of BASE alone

DuckDB in its process; Spark on the standalone cluster of `make cluster-test` (two workers of one
core), which first gets the raw tables into its lake. The first round of each engine is told apart:
it is cold. Both must make the same marts, or there is no figure. What was read in the texts of BASE
is given to both; a message that is repeated counts without being read.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from benchmarks import Metric, peak_mib, record, worlds
from benchmarks.rebuild import OUTPUTS, _folder, _messages, _path
from deploy.spark import compare
from deploy.spark.cluster import Cluster

ENGINES = ("duckdb", "spark")
# Both read every text anew, and write one row per reading.
TEXTS = ("int_lieux__cites", "int_messages__lus")
EXECUTOR = "3g"
DAY = 1_000_000_000  # messages, of the reckoning on paper
Found = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spark", description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 20_000_000])
    parser.add_argument("--rounds", type=int, default=2, help="rounds of each, the first one cold")
    parser.add_argument("--folder", type=Path, help="where to keep what is made")
    parser.add_argument("--one", choices=ENGINES, help=argparse.SUPPRESS)
    parser.add_argument("--texts", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(_measured(asked.one, asked.rounds, asked.base, texts=asked.texts)))
        return 0
    os.environ.setdefault("CYBERIMPACT_MEMORY", "2GB")
    os.environ["CYBERIMPACT_THREADS"] = str(os.cpu_count())
    found: dict[int, dict[str, Found]] = {}
    with _folder(asked.folder and asked.folder.resolve()) as folder:
        for rows in sorted(asked.rows):
            found[rows] = {engine: _run(engine, rows, folder, asked) for engine in ENGINES}
            differ = compare.differences(
                *(folder / f"{rows}-{engine}" / "warehouse.duckdb" for engine in ENGINES),
                only=[table for table, schema in OUTPUTS.items() if schema == "marts"],
            )
            if differ:
                sys.exit(f"Les moteurs ne donnent pas la même chose : {differ}")
    record(
        "spark",
        _told(found),
        memory_of_duckdb=os.environ["CYBERIMPACT_MEMORY"],
        memory_of_an_executor=EXECUTOR,
        load_after=round(os.getloadavg()[0], 1),
        runs=found,
    )
    return 0


def _run(engine: str, rows: int, folder: Path, asked: argparse.Namespace) -> Found:
    """Measure one engine on a data folder of its own, where `base` says what was read."""
    data = folder / f"{rows}-{engine}"
    if not data.exists():
        data.mkdir()
        if engine == "duckdb":
            # What landed, which `rebuild` keeps: copies of copies would have the keys of others.
            shutil.copy(asked.base.parent / "monde" / "raw.duckdb", data)
            worlds.raw_of(rows, data)
        else:
            shutil.copy(folder / f"{rows}-duckdb" / "raw.duckdb", data)
        shutil.copy(asked.base / "warehouse.duckdb", data)
    command = [sys.executable, "-m", "benchmarks.spark", str(data), "--one", engine]
    if rows == _held(asked.base):
        command.append("--texts")
    environment = {**os.environ, "CYBERIMPACT_DATA": str(data), "CYBERIMPACT_ENGINE": engine}
    made = Cluster(data / "cluster", memory=EXECUTOR, driver_memory="2g")
    shutil.rmtree(made.folder, ignore_errors=True)
    try:
        if engine == "spark":
            made.start()
        with _memory_of(made.folder) as memory:
            outcome = subprocess.run(  # noqa: S603 – our own module
                [*command, "--rounds", str(asked.rounds)],
                env=environment,
                stdout=subprocess.PIPE,
                check=True,
            )
    finally:
        made.stop()
    found: Found = json.loads(outcome.stdout.splitlines()[-1])
    found["cluster_mib"] = memory[0]
    print(rows, engine, found, flush=True)
    return found


def _held(data: Path) -> int:
    with duckdb.connect(str(data / "raw.duckdb"), read_only=True) as raw:
        return worlds.messages(raw)


@contextmanager
def _memory_of(folder: Path) -> Iterator[list[int]]:
    """Watch the memory of the cluster's processes, MiB at most, while it is at work."""
    most, over = [0], threading.Event()
    groups = {int(path.read_text()) for path in folder.glob("*.pid")}

    def watch() -> None:
        while groups and not over.wait(0.5):
            used = 0
            for status in Path("/proc").glob("[0-9]*/statm"):
                with suppress(OSError):
                    if os.getpgid(int(status.parent.name)) in groups:
                        used += int(status.read_text().split()[1])
            most[0] = max(most[0], used * os.sysconf("SC_PAGE_SIZE") >> 20)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield most
    over.set()
    thread.join()


# --- one engine, in a process of its own ----------------------------------------------------------


def _measured(engine: str, rounds: int, data: Path, *, texts: bool) -> Found:
    from orchestration import cluster, warehouse

    found: Found = {}
    runner = warehouse._runner()

    def run(*selected: str) -> float:
        started = time.perf_counter()
        arguments = ["run", "--full-refresh", "--select", *selected]
        result = runner.invoke([*arguments, *warehouse._flags()])
        if not result.success:
            sys.exit(f"dbt : {result.exception or [r.message for r in result.result if r.message]}")
        return time.perf_counter() - started

    if engine == "spark":
        started = time.perf_counter()
        cluster.begin(warehouse._raw_state(), lambda line: None)
        found["lac"] = time.perf_counter() - started
        _give(data)
        run("config.materialized:view")
    path = _path(runner.manifest)
    found["comptes"] = [run(*path) for _ in range(rounds)]
    if texts:
        found["textes"] = [run(*TEXTS) for _ in range(rounds)]
    warehouse._close()
    if engine == "spark":
        cluster.end(warehouse._known(), warehouse.LAYERS)
    found["peak_mib"] = round(peak_mib())
    return found


def _give(data: Path) -> None:
    """Show Spark, as tables of its own, what the warehouse of `data` holds."""
    from dbt_project.udfs import spark
    from dlt_pipelines import stores

    with (
        spark.connected() as session,
        closing(stores.connect(data / "warehouse.duckdb", read_only=True)) as warehouse,
    ):
        warehouse.execute("set timezone = 'UTC'")
        for schema, table in warehouse.execute(
            "select schema_name, table_name from duckdb_tables()"
            " where schema_name in ('seeds', 'intermediate', 'marts')"
        ).fetchall():
            folder = f"{stores.lake()}/warehouse/{schema}/{table}/given"
            relation = warehouse.table(f"{schema}.{table}")
            spark.write(warehouse, relation, f"{folder}/given.parquet")
            session.sql(f"create schema if not exists {schema}")
            session.sql(f"drop table if exists {schema}.{table}")
            session.sql(f"create table {schema}.{table} using parquet location '{folder}'")


# --- what is told ---------------------------------------------------------------------------------


def _warm(told: Found, what: str) -> float:
    """Return the seconds of the rounds after the first, which is cold, if there are any."""
    return median(told[what][1:] or told[what])


def _told(found: dict[int, dict[str, Found]]) -> Iterator[Metric]:
    for rows, engines in found.items():
        label = _messages(rows)
        for engine, told in engines.items():
            for what in ("comptes", "textes"):
                if what in told:
                    yield Metric(f"{label}, {what}, {engine} : à froid", told[what][0], "s")
                    yield Metric(f"{label}, {what}, {engine}", _warm(told, what), "s")
            if "lac" in told:
                yield Metric(f"{label}, {engine} : dépôt au lac", told["lac"], "s")
            memory = max(told["peak_mib"], told["cluster_mib"])
            yield Metric(f"{label}, {engine} : mémoire", memory, "Mio")
        for what in ("comptes", "textes"):
            if what in engines["spark"]:
                ours, theirs = (_warm(engines[name], what) for name in ENGINES)
                yield Metric(f"{label}, {what} : spark ÷ duckdb", theirs / ours, "rapport")
    least, most = min(found), max(found)
    for engine in ENGINES:
        if most > least:
            few, many = (_warm(found[rows][engine], "comptes") for rows in (least, most))
            each = (many - few) / (most - least)
            yield Metric(f"{engine} : comptes, par message de plus", each * 1e6, "µs")
            yield Metric(f"{engine} : un milliard de messages, comptes", each * DAY / 3600, "h")
        if "textes" in found[least][engine]:
            text = _warm(found[least][engine], "textes") / least
            yield Metric(f"{engine} : textes, par message", text * 1e6, "µs")
            yield Metric(f"{engine} : un milliard de messages, textes", text * DAY / 3600, "h")


if __name__ == "__main__":
    sys.exit(main())
