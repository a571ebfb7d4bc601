"""How fast pages are, and whether many messages slow them: the demo, then ten million messages.

`python -m benchmarks.pages --data FOLDER [--messages N]` reads a folder that `make build` filled
and never writes to it. Each world is published, its site built and served on the loopback; each
page is opened `--rounds` times in a fresh Chromium context (nothing cached).

*First content*: the browser's first-contentful-paint. *Interactive*: the choice of a filter, made
as soon as the filter is there, has changed what the page shows; that takes the database of the
browser, its worker, its WebAssembly, the Parquet files and the query. A page without a filter is
interactive when its framework has taken it over. *Bytes*: as received, headers included.

The big world is not landed: the reviews of the demo are repeated in `int_avis__unioned`, each copy
on a day of its own within the demo's days, without text, then dbt rebuilds every mart made of them.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from benchmarks import Metric, record
from orchestration.publication import publish
from orchestration.site import REPORTS, application, build_site, page_marts

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
FED_BY_AVIS = [
    *("int_satisfaction__unioned", "int_satisfaction__ouvertes"),
    *("fct_avis", "fct_avis__delais", "fct_avis__mensuels", "fct_avis__quotidiens"),
    *("fct_avis__services", "fct_avis__structures"),
    *("fct_satisfaction", "fct_satisfaction__mensuels"),
]
# What a filter may change: figures, tables, charts, maps.
SEEN = "document.querySelector('article').innerText"


@dataclass(frozen=True)
class Opened:
    first_content_ms: float
    interactive_ms: float
    received_bytes: int


def grow(warehouse: Path, messages: int) -> int:
    """Repeat the published reviews of `warehouse` up to `messages`; return how many there are."""
    with duckdb.connect(str(warehouse)) as connection:
        (there,) = connection.execute(
            "select count(*) from intermediate.int_avis__unioned where source != 'jedonnemonavis'"
        ).fetchall()[0]
        connection.execute(
            "create temp table span as"
            " select min(jour) as debut, max(jour) - min(jour) + 1 as jours"
            " from intermediate.int_avis__unioned where source != 'jedonnemonavis'"
        )
        connection.execute(
            "insert into intermediate.int_avis__unioned by name"
            " select avis.* replace ("
            " avis_id || '#' || copie as avis_id, null as texte, null as titre,"
            " debut + cast((jour - debut + copie * 37) % jours as integer) as jour)"
            " from intermediate.int_avis__unioned as avis, range(1, ?) as copies(copie), span"
            " where source != 'jedonnemonavis'",
            [messages // there + 1],
        )
        (count,) = connection.execute(
            "select count(*) from intermediate.int_avis__unioned"
        ).fetchall()[0]
    return int(count)


def rebuild(data: Path) -> float:
    """Rebuild what reads the reviews, without its tests; return the seconds."""
    started = time.monotonic()
    command = [
        "run",
        "--quiet",
        "--target-path",
        str(data / "dbt"),
        "--log-path",
        str(data / "dbt"),
    ]
    subprocess.run(  # noqa: S603
        [str(Path(sys.executable).with_name("dbt")), *command, "--select", *FED_BY_AVIS],
        cwd=ROOT / "dbt_project",
        env={**os.environ, "CYBERIMPACT_DATA": str(data), "DO_NOT_TRACK": "1"},
        check=True,
    )
    return time.monotonic() - started


@contextmanager
def served(site: Path) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(application(site), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join(10)


def open_page(browser: Browser, address: str) -> Opened:
    context = browser.new_context(locale="fr-FR", viewport={"width": 1400, "height": 900})
    page = context.new_page()
    received = [0]
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.on(
        "Network.loadingFinished",
        lambda event: received.__setitem__(0, received[0] + int(event["encodedDataLength"])),
    )
    page.goto(address, wait_until="commit")
    # The theme button is drawn by the framework once it runs.
    page.wait_for_selector("button.theme", timeout=120_000)
    choice = page.locator(".filtres select").first
    if choice.count():
        seen = page.evaluate(SEEN)
        choice.select_option(index=1)
        page.wait_for_function(f"(seen) => {SEEN} !== seen", arg=seen, timeout=120_000)
    interactive = page.evaluate("performance.now()")
    page.wait_for_load_state("networkidle")
    first = page.evaluate(
        "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
    )
    context.close()
    return Opened(first, interactive, received[0])


def measure(world: str, site: Path, rounds: int) -> list[Metric]:
    """Open each page of a built site, and return its medians."""
    metrics = []
    with sync_playwright() as playwright, served(site) as address:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        open_page(browser, address)  # the first page of a browser pays for its start
        for name in page_marts():
            if "[" in name:
                continue
            path = re.sub(r"index$", "", name)
            opened = [
                open_page(browser, f"{address}{path}{'/' * bool(path)}") for _ in range(rounds)
            ]

            def median(field: str, opened: list[Opened] = opened) -> int:
                return round(statistics.median(getattr(one, field) for one in opened))

            label = f"{world}, {name}"
            metrics += [
                Metric(f"{label} : premier contenu", median("first_content_ms"), "ms", "< 1 000"),
                Metric(f"{label} : interactive", median("interactive_ms"), "ms", "< 2 500"),
                Metric(f"{label} : reçus", median("received_bytes"), "octets"),
            ]
        browser.close()
    return metrics


def build(world: str, data: Path) -> list[Metric]:
    """Publish the warehouse of `data` and build its site; return how long each took."""
    published = data / "published/cyberimpact.duckdb"
    started = time.monotonic()
    rows = publish(data / "warehouse.duckdb", published, data / "published/parquet")
    copied = time.monotonic()
    build_site(published, data / "site", data / "reports", lambda _: None)
    ended = time.monotonic()
    read = [f"fct_avis{suffix}" for suffix in ("", "__mensuels")]
    return [Metric(f"{world} : lignes de {mart}", rows[mart], "lignes") for mart in read] + [
        Metric(f"{world} : publication", round(copied - started, 1), "s"),
        Metric(f"{world} : construction du site", round(ended - copied, 1), "s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    metrics = []
    with tempfile.TemporaryDirectory(dir=asked.data.parent) as name:
        data = Path(name)
        for file in ("warehouse.duckdb", "raw.duckdb"):
            shutil.copy(asked.data / file, data / file)
        metrics += build("démonstration", data)
        metrics += measure("démonstration", data / "site", asked.rounds)
        count = grow(data / "warehouse.duckdb", asked.messages)
        seconds = rebuild(data)
        big = f"{count / 1e6:.1f} M de messages".replace(".", ",")
        metrics.append(Metric(f"{big} : tables refaites", round(seconds, 1), "s"))
        metrics += build(big, data)
        metrics += measure(big, data / "site", asked.rounds)
    record("pages", metrics, messages=count, rounds=asked.rounds, reports=REPORTS.name)


if __name__ == "__main__":
    main()
