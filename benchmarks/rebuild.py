"""What a full rebuild costs, and what the framework adds to the SQL that it runs.

    python -m benchmarks.rebuild [--rows 100000 1000000] [--folder FOLDER]

For each size, a raw store of that many invented messages (`worlds`) is built and published whole,
one node at a time in a process of its own, and each layer told apart. Then the heavy path is made
again by four hands, in turns, each in a process of its own that reads what the rebuild left:

    dbt      the project's models on the way
    sql      `rebuild.sql`, plain DuckDB without framework: the floor
    pandas   `rebuild_pandas.py`
    polars   `rebuild_polars.py`, if it is there:
             python -m pip install --target polars polars, then PYTHONPATH=polars

The path goes from the raw tables of messages (posts of five networks, reviews of three platforms,
contacts by chat) to OUTPUTS: the union of messages, what is counted by month, day or hour of
visibility, perception and actions, and by week of needs. What is read in texts is given to all: it
is the same Python whoever calls it. Tables that differ from dbt's, and there is no figure.
"""

import argparse
import importlib
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from benchmarks import Metric, peak_mib, record, worlds, worsened
from dlt_pipelines import stores

HERE = Path(__file__).parent
OUTPUTS = {
    "int_messages__unioned": "intermediate",
    "int_contacts__quotidiens": "intermediate",
    "int_contacts__mensuels": "intermediate",
    "fct_publications": "marts",
    "fct_volumes_sociaux": "marts",
    "fct_volumes_sociaux__quotidiens": "marts",
    "fct_avis__delais": "marts",
    "fct_avis__mensuels": "marts",
    "fct_avis__quotidiens": "marts",
    "fct_avis__services": "marts",
    "fct_avis__structures": "marts",
    "fct_besoins": "marts",
}
"""Table → the schema where dbt makes it."""
GIVEN = {
    "raw_x": ("tweets", "tweet_counts"),
    "raw_mastodon": ("statuses",),
    "raw_bluesky": ("posts",),
    "raw_youtube": ("videos",),
    "raw_facebook": ("posts",),
    "raw_services_publics_plus": ("experiences",),
    "raw_jedonnemonavis": ("avis", "services"),
    "raw_avis_google": ("reviews", "businesses"),
    "raw_ma_gendarmerie": ("contacts",),
    "intermediate": (
        *("int_avis__localises", "int_structures__localisees", "int_lieux__cites"),
        *("int_messages__analyses", "int_contacts__publies", "int_signalements__publies"),
        "int_signalements__releves_publies",
    ),
    "seeds": (
        *("ref_perimetre_gendarmerie", "ref_methodes", "map_ma_gendarmerie__categories"),
        *("map_ma_gendarmerie__besoins", "map_menaces__besoins"),
    ),
}
"""What the path starts from. pandas and Polars read it as Parquet files."""
LAYERS = ("référentiels", "staging", "intermediate", "marts", "contrôles", "publication")
MEMORY, THREADS = "2GB", "4"  # the project's own defaults
WAYS = ("dbt", "sql", "polars", "pandas")
IN_MEMORY = ("polars", "pandas")  # no setting bounds them
Found = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rebuild",
        description="Mesure une reconstruction entière, et ce que le cadre ajoute au SQL nu.",
    )
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[100_000, 1_000_000], help="messages"
    )
    parser.add_argument("--rounds", type=int, default=3, help="essais de chaque voie (3)")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument(
        "--folder", type=Path, help="dossier où garder les mondes construits, repris s’ils y sont"
    )
    parser.add_argument(
        "--guard", action="store_true", help="comparer à l’historique de cette machine"
    )
    parser.add_argument("--one", choices=["rebuild", *WAYS], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(_rebuilt() if asked.one == "rebuild" else _made(asked.one)))
        return 0
    os.environ.setdefault("CYBERIMPACT_MEMORY", MEMORY)
    os.environ.setdefault("CYBERIMPACT_THREADS", THREADS)
    with _folder(asked.folder) as folder:
        builds = {rows: _build(rows, folder) for rows in sorted(asked.rows)}
        ways = [way for way in asked.ways if way != "polars" or importlib.util.find_spec(way)]
        runs = {rows: _side_by_side(folder / str(rows), ways, asked.rounds) for rows in builds}
    ratios = dict(_ratios(builds, runs))
    record(
        "rebuild",
        [*_told_builds(builds), *_told_runs(runs), *_told_ratios(ratios)],
        memory=os.environ["CYBERIMPACT_MEMORY"],
        threads=os.environ["CYBERIMPACT_THREADS"],
        load_after=round(os.getloadavg()[0], 1),
        builds=builds,
        runs=runs,
    )
    if asked.guard and (worse := worsened("rebuild", ratios)):
        print(*worse, sep="\n", file=sys.stderr)
        return 1
    return 0


@contextmanager
def _folder(asked: Path | None) -> Iterator[Path]:
    if asked:
        asked.mkdir(parents=True, exist_ok=True)
        yield asked
    else:
        with tempfile.TemporaryDirectory(prefix="mesure-") as folder:
            yield Path(folder)


def _build(rows: int, folder: Path) -> Found:
    """Rebuild a world of `rows` messages, unless `folder` holds what its rebuild has told."""
    data, told = folder / str(rows), folder / f"{rows}.json"
    if told.exists():
        return dict(json.loads(told.read_text("utf-8")))
    world = folder / "monde"
    if not (world / "raw.duckdb").exists():
        worlds.land(world)
    if not data.exists():
        shutil.copytree(world, data)
    worlds.raw_of(rows, data)
    found = _child("rebuild", data)
    told.write_text(json.dumps(found), "utf-8")
    return found


def _side_by_side(data: Path, ways: list[str], rounds: int) -> dict[str, list[Found]]:
    """Make the path by each of `ways` in turns; stop if what they make differs."""
    given = data / "voies" / "entrees"
    if not given.exists():
        _give(data, given)
    runs: dict[str, list[Found]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in list(ways):
            try:
                runs[way].append(_child(way, data))
            except subprocess.CalledProcessError:
                if way not in IN_MEMORY:
                    raise
                print(f"{data.name} {way} : ne tient pas en {_most() >> 30} Gio", flush=True)
                runs[way] = []
                ways = [one for one in ways if one != way]
    for way in ways:
        if way != "dbt" and (differ := _differences(data, way)):
            sys.exit(f"{way} ne donne pas ce que donne dbt : {', '.join(differ)}")
    return runs


def _most() -> int:
    """Return the bytes that those who know no limit may take: half of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _give(data: Path, given: Path) -> None:
    given.mkdir(parents=True)
    with _both(data) as connection:
        for schema, tables in GIVEN.items():
            source = schema.removeprefix("raw_")
            store, prefix = ("wh", "") if source == schema else ("raw", f"{source}__")
            for table in tables:
                connection.execute(
                    f"copy {store}.{schema}.{table} to '{given / f'{prefix}{table}.parquet'}'"
                )


def _differences(data: Path, way: str) -> list[str]:
    """Return the tables of which `way` has other rows than dbt."""
    folder = data / "voies" / way
    differ = []
    with _both(data) as connection:
        if way == "sql":
            connection.execute(f"attach '{folder / 'sql.duckdb'}' as made (read_only)")
        for table, schema in OUTPUTS.items():
            columns = connection.execute(
                "select column_name, data_type from duckdb_columns()"
                " where database_name = 'wh' and schema_name = ? and table_name = ?",
                [schema, table],
            ).fetchall()
            values = ", ".join(f'"{name}"::{kind}' for name, kind in columns)
            made = f"made.{table}" if way == "sql" else f"'{folder / f'{table}.parquet'}'"
            digests = {
                connection.execute(
                    f"select count(*), sum(hash({values})) from {rows}"  # noqa: S608
                ).fetchone()
                for rows in (f"wh.{schema}.{table}", made)
            }
            if len(digests) > 1:
                differ.append(f"{table} {sorted(digests)}")
    return differ


@contextmanager
def _both(data: Path, path: str | Path = ":memory:") -> Iterator[duckdb.DuckDBPyConnection]:
    """Open `path` with the stores of `data` beside, under the limits of the project."""
    with duckdb.connect(path) as connection:
        connection.execute(f"set memory_limit = '{os.environ['CYBERIMPACT_MEMORY']}'")
        connection.execute(f"set threads = {os.environ['CYBERIMPACT_THREADS']}")
        connection.execute(f"set temp_directory = '{data / 'voies' / 'spill'}'")
        connection.execute("set enable_progress_bar = false; set TimeZone = 'UTC'")
        connection.execute(f"attach '{data / 'raw.duckdb'}' as raw (read_only)")
        connection.execute(f"attach '{data / 'warehouse.duckdb'}' as wh (read_only)")
        yield connection


def _child(what: str, data: Path) -> Found:
    outcome = subprocess.run(  # noqa: S603 – our own module
        [sys.executable, "-m", "benchmarks.rebuild", "--one", what],
        env={**os.environ, "CYBERIMPACT_DATA": str(data)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: Found = json.loads(outcome.stdout.splitlines()[-1])
    print(
        f"{data.name} {what} : {found['seconds']:.1f} s, {found['cpu']:.1f} s de processeur, "
        f"{found['peak_mb']:.0f} Mio",
        flush=True,
    )
    return found


# --- what is told ---------------------------------------------------------------------------------


def _told_builds(builds: dict[int, Found]) -> Iterator[Metric]:
    for rows, build in builds.items():
        label = _messages(rows)
        yield Metric(f"{label} : durée", build["seconds"], "s")
        yield Metric(f"{label} : processeur", build["cpu"], "s")
        yield Metric(f"{label} : mémoire", round(build["peak_mb"]), "Mio", "≤ 4 096")
        yield Metric(f"{label} : débordé sur disque", round(build["spilled_mb"]), "Mio")
        for layer in LAYERS:
            if layer in build["layers"]:
                told = build["layers"][layer]
                yield Metric(f"{label}, {layer} : durée", told["seconds"], "s")
                yield Metric(f"{label}, {layer} : processeur", told["cpu"], "s")
                yield Metric(f"{label}, {layer} : mémoire", round(told["peak_mb"]), "Mio")
        for layer, octets in build["bytes"].items():
            yield Metric(f"{label}, {layer} : sur disque", round(octets / 2**20), "Mio")
    for (few, one), (many, other) in pairwise(builds.items()):
        for what, aim in (("seconds", "≤ 1,05"), ("cpu", "≤ 1,05")):
            exponent = math.log(other[what] / one[what]) / math.log(many / few)
            name = {"seconds": "durée", "cpu": "processeur"}[what]
            yield Metric(
                f"{_messages(few)} → {_messages(many)} : exposant, {name}", exponent, "", aim
            )


def _told_runs(runs: dict[int, dict[str, list[Found]]]) -> Iterator[Metric]:
    for rows, ways in runs.items():
        for way, done in ways.items():
            label = f"{_messages(rows)}, {way}"
            if not done:
                yield Metric(f"{label} : ne tient pas en mémoire", _most() >> 30, "Gio")
                continue
            yield Metric(f"{label} : durée", median(run["seconds"] for run in done), "s")
            yield Metric(f"{label} : processeur", median(run["cpu"] for run in done), "s")
            yield Metric(f"{label} : mémoire", round(max(run["peak_mb"] for run in done)), "Mio")


def _ratios(
    builds: dict[int, Found], runs: dict[int, dict[str, list[Found]]]
) -> Iterator[tuple[str, float]]:
    """Yield the ratios of each round's medians: what else the machine does weighs on both."""
    for rows, ways in runs.items():
        if "sql" in ways:
            floor = median(run["cpu"] for run in ways["sql"])
            yield (
                f"{_messages(rows)} : reconstruction ÷ sql, processeur",
                builds[rows]["cpu"] / floor,
            )
        for other in ways:
            for what, name in (("cpu", "processeur"), ("seconds", "durée")):
                if other != "dbt" and ways.get("dbt") and ways[other]:
                    ratio = median(
                        mine[what] / theirs[what]
                        for mine, theirs in zip(ways["dbt"], ways[other], strict=True)
                    )
                    yield f"{_messages(rows)} : dbt ÷ {other}, {name}", ratio


def _told_ratios(ratios: dict[str, float]) -> Iterator[Metric]:
    for name, ratio in ratios.items():
        yield Metric(name, ratio, "rapport", "≤ 1,3" if "dbt ÷ sql" in name else "")


def _messages(rows: int) -> str:
    return f"{rows / 1e6:g} M de messages".replace(".", ",")


# --- one measure, in a process of its own ---------------------------------------------------------


class _Meter:
    """What this process has used since the last question; memory is watched all along."""

    def __init__(self, spill: Path) -> None:
        self.spill, self.spilled, self.peak = spill, 0, 0
        threading.Thread(target=self._watch, daemon=True).start()
        self.start()

    def start(self) -> None:
        self.peak, self.clock, self.used = _resident(), time.perf_counter(), _cpu()

    def told(self) -> dict[str, float]:
        return {
            "seconds": time.perf_counter() - self.clock,
            "cpu": _cpu() - self.used,
            "peak_mb": max(self.peak, _resident()) / 2**20,
        }

    def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, _resident())
            self.spilled = max(self.spilled, _size(self.spill))
            time.sleep(0.05)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _size(folder: Path) -> int:
    found = 0
    with suppress(OSError):  # the folder itself may go meanwhile
        for path in folder.rglob("*"):
            with suppress(OSError):
                found += 0 if path.is_symlink() else path.stat().st_size
    return found


def _rebuilt() -> Found:
    """Build and publish the whole warehouse, one node at a time; say what each layer took."""
    from orchestration import publication, warehouse

    for old in (stores.warehouse(), stores.warehouse().with_suffix(".duckdb.wal")):
        old.unlink(missing_ok=True)
    runner = warehouse._runner()
    meter = _Meter(stores.warehouse().with_suffix(".duckdb.tmp"))
    layers: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(_NOTHING, 0.0))
    nodes: list[tuple[str, float, float]] = []

    def add(layer: str, name: str) -> None:
        told, total = meter.told(), layers[layer]
        total["seconds"] += told["seconds"]
        total["cpu"] += told["cpu"]
        total["peak_mb"] = max(total["peak_mb"], told["peak_mb"])
        nodes.append((name, round(told["seconds"], 2), round(told["cpu"], 2)))

    def listen(event: Any) -> None:
        if event.info.name == "NodeStart":
            meter.start()
        elif event.info.name == "NodeFinished":
            node = event.data.node_info
            kinds = {"seed": "référentiels", "test": "contrôles", "unit_test": "contrôles"}
            layer = kinds.get(node.resource_type, node.node_relation.schema)
            add(layer, node.node_name)

    # dbt's own events: `warehouse.build` hands on the names alone.
    runner.callbacks = [listen]
    started, used = time.perf_counter(), _cpu()
    result = runner.invoke(["build", "--threads", "1", *warehouse._flags()])
    warehouse._close()
    runs = result.result.results if result.result else []
    broken = [f"{run.node.name} : {run.message}" for run in runs if run.status in ("error", "fail")]
    if result.exception or broken:
        sys.exit("\n".join(["dbt :", *broken, str(result.exception or "")]))
    meter.start()
    publication.publish(stores.warehouse(), stores.published(), stores.published_parquet())
    add("publication", "publication")
    seconds, cpu = time.perf_counter() - started, _cpu() - used
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peak_mb": peak_mib(),
        "spilled_mb": meter.spilled / 2**20,
        "layers": layers,
        "bytes": _on_disk(),
        "slowest": sorted(nodes, key=lambda node: -node[2])[:25],
    }


_NOTHING = ("seconds", "cpu", "peak_mb")


def _on_disk() -> dict[str, int]:
    """Return the bytes of each layer; a block that two tables share counts for both."""
    found = {"raw": stores.raw().stat().st_size}
    with duckdb.connect(stores.warehouse(), read_only=True) as connection:
        (block,) = connection.execute("select block_size from pragma_database_size()").fetchone()
        for schema, table in connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal"
        ).fetchall():
            (blocks,) = connection.execute(
                "select count(distinct block_id) from pragma_storage_info(?) where block_id >= 0",
                [f"{schema}.{table}"],
            ).fetchone()
            found[schema] = found.get(schema, 0) + blocks * block
    return {**found, "publication": _size(stores.published().parent)}


def _made(way: str) -> Found:
    """Make the path by `way`, and say what it took, imports and reading of the project apart."""
    data = stores.data()
    given, folder = data / "voies" / "entrees", data / "voies" / way
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    make = _prepared(way, data, given, folder)
    before, started = _cpu(), time.perf_counter()
    make()
    return {
        "seconds": time.perf_counter() - started,
        "cpu": _cpu() - before,
        "peak_mb": peak_mib(),
    }


def _prepared(way: str, data: Path, given: Path, folder: Path) -> Callable[[], None]:
    if way == "dbt":
        from orchestration import warehouse

        runner = warehouse._runner()

        path = _path(runner.manifest)

        def make() -> None:
            result = runner.invoke(["run", "--select", *path, *warehouse._flags()])
            warehouse._close()
            if not result.success:
                sys.exit(f"dbt : {result.exception or result.result}")

    elif way == "sql":
        script = (HERE / "rebuild.sql").read_text("utf-8")

        def make() -> None:
            with _both(data, folder / "sql.duckdb") as connection:
                connection.execute(script)

    else:
        os.environ.setdefault("POLARS_MAX_THREADS", os.environ["CYBERIMPACT_THREADS"])
        resource.setrlimit(resource.RLIMIT_DATA, (_most(), _most()))
        module = importlib.import_module(f"benchmarks.rebuild_{way}")

        def make() -> None:
            module.make(given, folder)

    return make


def _path(manifest: Any) -> list[str]:
    """Return the models from what is given to OUTPUTS: neither views of raw tables nor seeds."""
    given = {table for tables in GIVEN.values() for table in tables}
    by_name = {node.name: node for node in manifest.nodes.values()}
    found: set[str] = set()
    asked = list(OUTPUTS)
    while asked:
        node = by_name[asked.pop()]
        if node.name not in found | given and node.schema in ("intermediate", "marts"):
            found.add(node.name)
            parents = (manifest.nodes.get(parent) for parent in node.depends_on.nodes)
            asked += [parent.name for parent in parents if parent]
    return sorted(found)


if __name__ == "__main__":
    sys.exit(main())
