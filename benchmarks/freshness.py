"""From « the sandbox serves the message » to « a reader of the published file sees it ».

A warehouse of N messages is built whole, once; then the worker runs as a service would, and follows
a live Bluesky server of the sandbox, where somebody posts at each rate in turn. A reader opens the
published file whenever it changes, and counts. At last a crowd panics: until a signal bears it, and
until a real web server has received its alert (none if that signal was open, and told, already).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import duckdb
import numpy as np
import requests

from benchmarks import Metric, record, worlds
from dlt_pipelines import sandbox, stores
from orchestration import marks, publication, state, warehouse

AIM = "≤ 5"
TEXT = "Encore une arnaque au faux conseiller à Annecy, méfiez-vous ({})"
PANIC = "Mouvement de foule et panique à la gare d'Annecy ({})"
CROWD = 4  # posts of a panic, per thousand messages: what is usual grows with them
POSTS = {  # tables of the networks → when a row was written
    "raw_bluesky.posts": "indexed_at",
    "raw_mastodon.statuses": "created_at",
    "raw_x.tweets": "created_at",
}
PATIENCE = 300  # seconds
BEGUN = datetime.now(UTC)  # what followed before is none of ours


def live_world() -> sandbox.World:
    """Return a world that goes on, where little is said but what we post."""
    today = datetime.now(UTC).date()
    return sandbox.World(today - timedelta(days=1), today + timedelta(days=2), live=True)


def live(source: str, url: str) -> dict[str, str]:
    """Return the environment under which `source` is asked where the sandbox is served."""
    told = {"live": True, **sandbox.settings(source, url)}
    return {
        f"SOURCES__{source}__{name}".upper(): value if isinstance(value, str) else json.dumps(value)
        for name, value in told.items()
    }


class Poster:
    """Somebody who has an account there; `served` are the instants from which a post is found."""

    def __init__(self, url: str) -> None:
        self.address = f"{url}/bluesky/xrpc/com.atproto.repo.createRecord"
        self.session = requests.Session()
        self.session.headers["authorization"] = f"Bearer jwt-{sandbox.TOKEN}"
        self.served: list[float] = []

    def post(self, text: str) -> None:
        record = {"collection": "app.bsky.feed.post", "record": {"text": text}}
        self.session.post(self.address, json=record, timeout=30).raise_for_status()
        self.served.append(time.time())

    def pace(self, text: str, per_minute: float, seconds: float) -> None:
        """Post evenly for a while."""
        begun = time.monotonic()
        for rank in range(round(per_minute * seconds / 60)):
            time.sleep(max(0.0, begun + rank * 60 / per_minute - time.monotonic()))
            self.post(text.format(rank))


class Reader(threading.Thread):
    """An analyst who opens the published file each time that it changes, and counts the posts."""

    def __init__(self, crowd: int) -> None:
        super().__init__(daemon=True)
        self.crowd = crowd
        self.seen: list[tuple[float, int]] = []  # instant, posts of Bluesky
        self.panic: float | None = None
        self.over = threading.Event()

    def run(self) -> None:
        stamp = 0
        while not self.over.wait(0.02):
            now = stores.published().stat().st_mtime_ns
            if now == stamp:
                continue
            stamp = now
            with duckdb.connect(str(stores.published()), read_only=True) as marts:
                ((posts, panics),) = marts.execute(
                    "select (select sum(publications_count) from marts.fct_publications"
                    " where plateforme = 'bluesky'),"
                    " (select count(*) from marts.fct_signaux_preuves"
                    " where nature = 'serie' and sujet = 'panique' and source = 'bluesky'"
                    " and periode_at > now() - interval 2 hour and observe_count >= ?)",
                    [self.crowd / 2],
                ).fetchall()
            self.seen.append((time.time(), int(posts)))
            if panics and not self.panic:
                self.panic = time.time()

    def delays(self, served: list[float], base: int) -> np.ndarray[Any, Any]:
        """Return how long each post took, the one of rank 0 making the count `base` + 1."""
        counts = [count for _, count in self.seen]
        first = np.searchsorted(np.maximum.accumulate(counts), np.arange(len(served)) + base + 1)
        return np.array([self.seen[at][0] for at in first]) - np.array(served)


class Receiver(ThreadingHTTPServer):
    """The webhook of whoever is on duty."""

    def __init__(self) -> None:
        self.received: list[tuple[float, bytes]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                received.append((time.time(), body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


def made_real(data: Path) -> None:
    """Say of the posts of Bluesky, where the world invented them, that they are real.

    The worker follows real services only, whose first rows would drive out invented ones; and each
    post of a network came in the hour after it was written, as it does, rather than all at once.
    """
    raw = data / "raw.duckdb"
    with duckdb.connect(str(raw)) as store:
        for table, written_at in POSTS.items():
            store.execute(
                f"create or replace table {table} as select * replace"  # noqa: S608
                f" ((epoch({written_at})::bigint + 3600)::varchar as _dlt_load_id)"
                f" from {table} where {written_at} < now() order by {written_at}"
            )
        store.execute("update raw_bluesky.posts set _origine = 'reel'")
        store.execute("update registre.prises set origine = 'reel' where source = 'bluesky'")
        store.execute("update raw_bluesky.profiles set _origine = 'reel'")
    warehouse = data / "warehouse.duckdb"
    if not warehouse.exists():
        return
    with duckdb.connect(str(warehouse)) as store:
        for schema, table, column in store.execute(
            "select schema_name, table_name, any_value(column_name)"
            " filter (column_name in ('source', 'plateforme')) as named"
            " from duckdb_columns() join duckdb_tables() using (schema_name, table_name)"
            " where schema_name in ('intermediate', 'marts') group by all"
            " having named is not null and bool_or(column_name = 'origine')"
        ).fetchall():
            store.execute(
                f"update {schema}.\"{table}\" set origine = 'reel'"  # noqa: S608
                f" where {column} = 'bluesky'"
            )


@contextmanager
def worker(data: Path, environment: dict[str, str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Run the worker, and yield what returns its lines of the journal."""
    begun = datetime.now(UTC).isoformat()
    command = [sys.executable, "-m", "orchestration", "suivi"]
    process = subprocess.Popen(  # noqa: S603
        command, env={**os.environ, "CYBERIMPACT_DATA": str(data), **environment}
    )

    def lines() -> list[dict[str, Any]]:
        found = []
        for file in sorted((data / "logs").glob("evenements-*.jsonl")):
            for line in file.read_text("utf-8").splitlines():
                told = json.loads(line)
                if told.get("job") == "suivi" and told["at"] >= begun:
                    found.append(told)
        return found

    try:
        yield lines
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()


def wait_for(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    end = time.monotonic() + patience
    while not condition():
        if (told := state.read_following()) and told.started > BEGUN and told.fault:
            raise RuntimeError(told.fault)
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


@dataclass
class Measures:
    metrics: list[Metric] = field(default_factory=list)

    def add(self, name: str, value: float | None, unit: str = "s", aim: str = "") -> None:
        shown = None if value is None else round(float(value), 3)
        self.metrics.append(Metric(name, shown, unit, aim))


def measure(data: Path, rows: int, rates: list[float], seconds: float, measures: Measures) -> None:
    told = f"{rows:,}".replace(",", " ")
    os.environ["CYBERIMPACT_DATA"] = str(data)
    (data / "depot").mkdir(exist_ok=True)
    (data / "depot" / "abonnements.toml").write_text(
        '[[abonnement]]\nnom = "Permanence"\nsujets = ["panique"]\ncanaux = ["ALERTES_BANC"]\n'
    )
    crowd = CROWD * rows // 1000
    reader, receiver = Reader(crowd), Receiver()
    with sandbox.serve(live_world()) as url:
        environment = live("bluesky", url)
        environment["ALERTES_BANC"] = f"json://127.0.0.1:{receiver.server_port}"
        poster = Poster(url)
        begun = time.time()
        with worker(data, environment) as lines:
            wait_for(lines, "the worker starts")
            [start] = [line for line in lines() if line["event"] == "run_start"]
            ready = datetime.fromisoformat(start["at"]).timestamp() - begun
            parsed = start["seconds"]["analyse"]
            measures.add(f"{told} · démarrage et imports", ready - parsed)
            measures.add(f"{told} · analyse du projet dbt", parsed)
            reader.start()
            poster.post(TEXT.format("premier"))
            wait_for(lambda: cycles(lines), "a first cycle")
            wait_for(lambda: "alertes" in str(lines()), "a first passage of the alerts")
            time.sleep(5)
            for rate in rates:
                base, served = reader.seen[-1][1], len(poster.served)
                old = len(lines())
                poster.pace(TEXT, rate, seconds)
                own = poster.served[served:]
                wanted = base + len(own)
                wait_for(lambda wanted=wanted: reader.seen[-1][1] >= wanted, "all is seen")  # type: ignore[misc]
                delays = reader.delays(own, base)
                at = f"{told} · {rate:g} par minute"
                measures.add(f"{at} · médiane", np.median(delays))
                measures.add(f"{at} · 95 %", np.percentile(delays, 95), aim=AIM)
                measures.add(f"{at} · maximum", delays.max())
                for step, spent in steps(lines()[old:]).items():
                    measures.add(f"{at} · {step}", spent, "s par passage")
            begun = time.time()
            for rank in range(crowd):
                poster.post(PANIC.format(rank))
            # A crowd that the past of this world has often seen is no signal; a panic that was told
            # already is not told again.
            with suppress(TimeoutError):
                wait_for(lambda: reader.panic, "the panic is seen", 180)
                wait_for(lambda: receiver.received, "the panic is told", 60)
            seen_at = reader.panic - begun if reader.panic else None
            measures.add(f"{told} · panique · preuve publiée", seen_at)
            told_at = receiver.received[0][0] - begun if receiver.received else None
            measures.add(f"{told} · panique · alerte reçue", told_at)
        reader.over.set()
    measures.add(f"{told} · fichier publié", stores.published().stat().st_size / 2**20, "Mio")


def cycles(lines: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [line for line in lines() if line["event"] == "cycle"]


def steps(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Return the mean seconds of each step, over the cycles that did it."""
    spent: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if line["event"] != "cycle":
            continue
        kind = "avec jugement" if "dbt heure" in line["seconds"] else "sans jugement"
        spent[f"processeur, {kind}"].append(line["processor"])
        for step, seconds in line["seconds"].items():
            spent[step].append(seconds)
    return {step: float(np.mean(found)) for step, found in spent.items()}


def base(rows: int, built: Path | None) -> Path:
    """Return a data folder of `rows` messages, built whole (or found so) and published once."""
    folder = Path(gettempdir(), "cyberimpact-freshness", str(rows))
    done, code = folder / "fait", warehouse._code()
    if not done.exists() or done.read_text("utf-8") != code:
        shutil.rmtree(folder, ignore_errors=True)
        whole = [sys.executable, "-m", "benchmarks.freshness", "--construire", str(folder)]
        if built and (world := built / str(rows)).exists():
            leave_out = shutil.ignore_patterns("voies", "published")
            shutil.copytree(world, folder, ignore=leave_out, dirs_exist_ok=True)
            whole += ["--built", str(built)]
        folder.mkdir(parents=True, exist_ok=True)
        worlds.raw_of(rows, folder)
        made_real(folder)
        subprocess.run(whole, check=True)  # noqa: S603
        done.write_text(code, "utf-8")
    return folder


def build(folder: Path, *, is_built: bool) -> None:
    os.environ["CYBERIMPACT_DATA"] = str(folder)
    if is_built:
        marks.put("projet", warehouse._code(), "")
    elif error := warehouse.broken(warehouse.refresh(lambda line: None).nodes):
        raise error
    manifest = json.loads(warehouse.manifest().read_text("utf-8"))
    publication.publish(
        stores.warehouse(),
        stores.published(),
        stores.published_parquet(),
        warehouse.descriptions(manifest),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.freshness", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rates", type=float, nargs="+", default=[20, 2000], help="par minute")
    parser.add_argument("--seconds", type=float, default=120, help="à chaque débit")
    parser.add_argument(
        "--built", type=Path, help="ce que `benchmarks.rebuild --folder` a construit : repris"
    )
    parser.add_argument("--construire", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.construire:
        build(asked.construire, is_built=asked.built is not None)
        return
    measures = Measures()
    for rows in asked.rows:
        measure(base(rows, asked.built), rows, asked.rates, asked.seconds, measures)
    record("freshness", measures.metrics, rows=asked.rows, seconds=asked.seconds)


if __name__ == "__main__":
    main()
