"""Does it grow? One process that lives through days, with readers, on the small invented world.

    python -m benchmarks.soak [--days 14] [--speed 60] [--minutes N]

Each simulated day the sandbox goes on by a day and the whole refresh runs, but for the site, in one
process, as the code service does; in between it waits, a day lasting 86,400 / speed seconds
(`--speed 0`: not at all). Two readers open the publication and query it all along, from processes
of their own. Memory, open files and threads are those of the long-lived process after its run.
Flat: the last third against the first, the first two days left out (libraries load, caches fill).
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median

from benchmarks import Metric, record

WARM_UP = 2
READER = """
import json, sys, time, duckdb
published, stop, said = sys.argv[1:]
query = "select source, count(*), min(jour), max(jour) from marts.fct_avis group by all"
with open(said, "a", buffering=1) as file:
    while True:
        began, error = time.monotonic(), ""
        try:
            with duckdb.connect(published, read_only=True) as connection:
                connection.execute(query).fetchall()
        except Exception as failure:
            error = type(failure).__name__ + " " + str(failure)[:200]
        file.write(json.dumps([time.time(), time.monotonic() - began, error]) + "\\n")
        import os.path
        if os.path.exists(stop):
            break
        time.sleep(0.1)
"""


@dataclass(frozen=True)
class Day:
    """What one simulated day cost; bytes, seconds."""

    ended: float
    seconds: float
    processor: float
    rss: int
    files: int
    threads: int
    stores: int
    others: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=14, help="jours simulés (14)")
    parser.add_argument(
        "--speed", type=float, default=60, help="fois le temps réel ; 0 : sans attente"
    )
    parser.add_argument("--size", type=float, default=0.05, help="taille du monde (0,05)")
    parser.add_argument("--months", type=int, default=2, help="mois d'histoire au départ (2)")
    parser.add_argument("--minutes", type=float, default=600, help="s'arrêter au jour qui suit")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CYBERIMPACT_DATA"] = folder
        days, reads = live(Path(folder), given)
    if len(days) < WARM_UP + 3:
        sys.exit(f"{len(days)} jours seulement : trop peu pour comparer.")
    kept = days[WARM_UP:]
    third = max(1, len(kept) // 3)

    def change(of: Callable[[Day], float]) -> float:
        return round(median(map(of, kept[-third:])) / median(map(of, kept[:third])), 3)

    def latency(part: list[Day]) -> float:
        since, until = part[0].ended - part[0].seconds, part[-1].ended
        return sorted(s for at, s, _ in reads if since <= at <= until)[
            int(0.95 * sum(since <= at <= until for at, _, _ in reads)) - 1
        ]

    first, last = latency(kept[:third]), latency(kept[-third:])
    megabytes = 2**20
    record(
        "soak",
        [
            Metric("jours simulés", len(days)),
            Metric("run, médiane", median(day.seconds for day in kept), "s"),
            Metric("run, dernier tiers ÷ premier", change(lambda day: day.seconds), "", "≤ 1,1"),
            Metric("run, processeur, médiane", median(day.processor for day in kept), "s"),
            Metric(
                "run, processeur, dernier tiers ÷ premier",
                change(lambda day: day.processor),
                "",
                "≤ 1,1",
            ),
            Metric("mémoire après le dernier run", round(days[-1].rss / megabytes), "Mio"),
            Metric("mémoire, dernier tiers ÷ premier", change(lambda day: day.rss), "", "≤ 1,1"),
            Metric("fichiers ouverts, dernier tiers ÷ premier", change(lambda day: day.files)),
            Metric("fils, dernier tiers ÷ premier", change(lambda day: day.threads)),
            Metric("entrepôts, dernier tiers ÷ premier", change(lambda day: day.stores)),
            Metric(
                "hors entrepôts (journaux, Dagster, dlt)",
                round((kept[-1].others - kept[0].others) / megabytes / (len(kept) - 1), 2),
                "Mio par jour",
            ),
            Metric("lectures", len(reads)),
            Metric("lectures en erreur", sum(bool(error) for *_, error in reads), "", "0"),
            Metric("lecture, p95 du premier tiers", round(first * 1000, 1), "ms"),
            Metric("lecture, p95 du dernier tiers", round(last * 1000, 1), "ms"),
        ],
        speed=given.speed,
        size=given.size,
        months=given.months,
        memory_mib=[round(day.rss / megabytes) for day in days],
        run_seconds=[round(day.seconds, 1) for day in days],
        run_processor=[round(day.processor, 1) for day in days],
        stores_mib=[round(day.stores / megabytes, 1) for day in days],
        others_mib=[round(day.others / megabytes, 1) for day in days],
    )


def live(
    folder: Path, given: argparse.Namespace
) -> tuple[list[Day], list[tuple[float, float, str]]]:
    """Return the days lived, and each read: when, how long, the error if there was one."""
    from dlt_pipelines import sandbox, stores
    from orchestration.definitions import defs
    from orchestration.runs import open_instance

    stores.secure()
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    job = defs.resolve_job_def("refresh_all")
    graph = defs.resolve_asset_graph()
    made = [key for key in graph.executable_asset_keys if key.path[0] != "reports"]
    today, days, readers = datetime.now(UTC).date(), [], []
    stop, until = folder / "stop", time.monotonic() + given.minutes * 60
    said = [folder / f"reads-{number}" for number in range(2)]
    real, sandbox.world = sandbox.world, lambda: world(today)

    def world(end: date) -> sandbox.World:
        return real(end=end, months=given.months, size=given.size)

    try:
        with open_instance() as instance:
            for number in range(given.days):
                if time.monotonic() > until:
                    break
                began, used = time.monotonic(), time.process_time()
                today = datetime.now(UTC).date() - timedelta(days=given.days - number)
                result = job.execute_in_process(
                    instance=instance,
                    asset_selection=made,
                    raise_on_error=False,
                    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                )
                if not result.success:
                    failed = [step.step_key for step in result.get_step_failure_events()]
                    sys.exit(f"Le run du jour {number + 1} a échoué : {failed}")
                spent = time.monotonic() - began, time.process_time() - used
                days.append(_measured(folder, *spent))
                print(f"jour {number + 1} : {days[-1]}", flush=True)
                if not readers:
                    readers = [
                        subprocess.Popen(  # noqa: S603
                            [sys.executable, "-c", READER, str(stores.published()), stop, path]
                        )
                        for path in said
                    ]
                if given.speed:
                    time.sleep(max(0, 86_400 / given.speed - (time.monotonic() - began)))
    finally:
        stop.touch()
        for reader in readers:
            reader.wait(60)
        sandbox.world = real
    return days, [json.loads(line) for path in said for line in path.read_text().splitlines()]


def _measured(folder: Path, seconds: float, processor: float) -> Day:
    status = Path("/proc/self/status").read_text()
    told = dict(line.split(":", 1) for line in status.splitlines())
    stored = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    stores = [path for path in stored if path.suffix in (".duckdb", ".parquet")]
    size = sum(path.stat().st_size for path in stored)
    inside = sum(path.stat().st_size for path in stores)
    return Day(
        ended=time.time(),
        seconds=seconds,
        processor=processor,
        rss=int(told["VmRSS"].split()[0]) * 1024,
        files=len(list(Path("/proc/self/fd").iterdir())),
        threads=int(told["Threads"]),
        stores=inside,
        others=size - inside,
    )


if __name__ == "__main__":
    main()
