"""Analysts who query while publications follow each other: errors, torn reads, waiting times.

Every publication carries one generation in all its rows, in two tables. A read that sees two
generations, or rows missing, is torn. DuckDB readers open the file anew for each query, as a tool
that does not hold it does, or hold it during ten queries; Parquet readers go through the link.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import median

import duckdb
import numpy as np

from benchmarks import Metric, record
from orchestration.publication import publish

HELD = 10  # queries of a reader that keeps the file open
PAUSE = 0.05  # seconds between two reads: readers measure the swap, not the cores they share
TABLES = ("fct_un", "fct_deux")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.readers",
        description="Des analystes interrogent pendant que les publications se suivent.",
    )
    parser.add_argument("--readers", type=int, default=20, help="lecteurs (20)")
    parser.add_argument("--publications", type=int, default=50, help="publications (50)")
    parser.add_argument("--rows", type=int, default=200_000, help="lignes par table (200 000)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found, seconds = _measure(
            Path(folder), arguments.readers, arguments.publications, arguments.rows
        )
    read = Counter[str]()
    for one in found:
        read.update(one.counts)
    waits = np.concatenate([one.milliseconds for one in found])
    metrics = [
        Metric("publications", arguments.publications, "", ""),
        Metric("lectures", read["read"], "requêtes", ""),
        Metric("erreurs", read["error"], "requêtes", "0"),
        Metric("lectures déchirées", read["torn"], "requêtes", "0"),
        Metric("générations vues par un lecteur, médiane", median(len(o.seen) for o in found)),
        Metric("lecture, médiane", float(np.median(waits)), "ms"),
        Metric("lecture, 99 %", float(np.quantile(waits, 0.99)), "ms"),
        Metric("publication, médiane", median(seconds), "s"),
        Metric("publication, la plus longue", max(seconds), "s"),
    ]
    record(
        "readers", metrics, readers=arguments.readers, rows=arguments.rows, held=HELD, pause=PAUSE
    )
    for message in sorted({message for one in found for message in one.messages})[:5]:
        print(message)
    return 1 if read["error"] or read["torn"] else 0


@dataclass
class Read:
    """What one reader met; `seen` are the generations."""

    counts: Counter[str] = field(default_factory=Counter)
    seen: set[int] = field(default_factory=set)
    milliseconds: list[float] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def _measure(
    folder: Path, readers: int, publications: int, rows: int
) -> tuple[list[Read], list[float]]:
    warehouse, published = folder / "warehouse.duckdb", folder / "published" / "cyberimpact.duckdb"
    parquet = published.with_name("parquet")

    def generate(generation: int) -> float:
        with duckdb.connect(str(warehouse)) as connection:
            connection.execute("create schema if not exists marts")
            for table in TABLES:
                connection.execute(
                    f"create or replace table marts.{table} as select {generation} as generation,"  # noqa: S608
                    f" range as ligne, 'département ' || range % 101 as lieu from range({rows})"
                )
        started = time.monotonic()
        publish(warehouse, published, parquet)
        return time.monotonic() - started

    generate(0)
    context = multiprocessing.get_context("spawn")  # DuckDB's threads do not survive a fork
    over, told = context.Event(), context.Queue()
    ways = [_whole, _held, _files]
    running = [
        context.Process(
            target=_read,
            args=(ways[number % len(ways)].__name__, published, parquet, rows, over, told),
        )
        for number in range(readers)
    ]
    for one in running:
        one.start()
    seconds = [generate(generation) for generation in range(1, publications + 1)]
    over.set()
    found = [told.get(timeout=120) for _ in running]
    for one in running:
        one.join()
    return found, seconds


def _read(
    way: str, published: Path, parquet: Path, rows: int, over: Event, told: "multiprocessing.Queue"
) -> None:
    done = Read()
    reading = {"_whole": _whole, "_held": _held, "_files": _files}[way]
    parent = multiprocessing.parent_process()
    while not over.is_set() and parent and parent.is_alive():
        try:
            reading(published, parquet, rows, done)
        except (duckdb.Error, OSError) as error:
            done.counts["error"] += 1
            done.messages.append(f"{way} · {type(error).__name__} : {str(error)[:200]}")
        over.wait(PAUSE)
    told.put(done)


def _whole(published: Path, parquet: Path, rows: int, done: Read) -> None:
    with duckdb.connect(str(published), read_only=True) as connection:
        _ask(connection, [f"marts.{table}" for table in TABLES], rows, done)


def _held(published: Path, parquet: Path, rows: int, done: Read) -> None:
    with duckdb.connect(str(published), read_only=True) as connection:
        generations = [
            _ask(connection, [f"marts.{table}" for table in TABLES], rows, done)
            for _ in range(HELD)
        ]
    done.counts["torn"] += len(set(generations)) > 1


def _files(published: Path, parquet: Path, rows: int, done: Read) -> None:
    # The link is followed once: both files are then of one publication.
    folder = parquet.resolve()
    with duckdb.connect() as connection:
        connection.execute("set threads to 1")
        _ask(connection, [f"'{folder / table}.parquet'" for table in TABLES], rows, done)


def _ask(
    connection: duckdb.DuckDBPyConnection, relations: list[str], rows: int, done: Read
) -> tuple[int, int]:
    started = time.monotonic()
    query = " union all ".join(
        f"select min(generation), max(generation), count(*), sum(ligne) from {relation}"  # noqa: S608
        for relation in relations
    )
    answers = connection.execute(query).fetchall()
    done.milliseconds.append(1000 * (time.monotonic() - started))
    low, high = min(one[0] for one in answers), max(one[1] for one in answers)
    whole = all(one[2:] == (rows, rows * (rows - 1) // 2) for one in answers)
    done.counts.update(read=1, torn=int(low != high or not whole))
    done.seen.add(high)
    return low, high


if __name__ == "__main__":
    raise SystemExit(main())
