"""How fast pages are, and whether many messages slow them: `python -m benchmarks.pages FOLDER…`.

Each folder is one that was published (`make build`, `benchmarks.rebuild`); nothing is written there.
Of each, the site is built and served on the loopback; a page of each kind is opened `--rounds`
times in a fresh Chromium context (nothing cached).

*First content*: the browser's first-contentful-paint. *Interactive*: the choice of a filter, made
as soon as the filter is there, has changed what the page shows; that takes the database of the
browser, its worker, its WebAssembly, the Parquet files and the query. A page without a filter is
interactive when its framework has taken it over. *Bytes*: as received, headers included.
"""

import argparse
import re
import statistics
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
from orchestration.site import application, build_site, page_marts

CHROMIUM = "/usr/bin/chromium"
# The page of a template that is opened.
FIRST = {
    "campagne": "select min(campagne_cle) from marts.fct_campagnes",
    "departement": "select '59'",
    "signal": "select arg_max(signal_id, ouvert_at) from marts.fct_signaux",
}
# What a filter may change: figures, tables, charts, maps.
SEEN = "document.querySelector('article').innerHTML"


@dataclass(frozen=True)
class World:
    """A publication, and how many rows its sources brought."""

    published: Path

    def ask(self, sql: str) -> tuple[object, ...]:
        with duckdb.connect(str(self.published), read_only=True) as connection:
            row = connection.execute(sql).fetchone()
        return row or (None,)

    @property
    def name(self) -> str:
        (rows,) = self.ask("select sum(lignes_count)::double / 1e6 from marts.ref_sources")
        return f"{rows:.1f} M de lignes reçues".replace(".", ",")


@dataclass(frozen=True)
class Opened:
    first_content_ms: float
    interactive_ms: float
    received_bytes: int


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


def measure(world: World, site: Path, rounds: int) -> list[Metric]:
    """Open a page of each kind, and return its medians."""
    metrics = []
    with sync_playwright() as playwright, served(site) as address:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        open_page(browser, address)  # the first page of a browser pays for its start
        for kind in page_marts():
            path = re.sub(r"index$", "", kind)
            path = re.sub(r"\[(\w+)\]", lambda found: str(world.ask(FIRST[found[1]])[0]), path)
            opened = [
                open_page(browser, f"{address}{path}{'/' * bool(path)}") for _ in range(rounds)
            ]

            def median(field: str, opened: list[Opened] = opened) -> int:
                return round(statistics.median(getattr(one, field) for one in opened))

            label = f"{world.name}, {kind}"
            metrics += [
                Metric(f"{label} : premier contenu", median("first_content_ms"), "ms", "< 1 000"),
                Metric(f"{label} : interactive", median("interactive_ms"), "ms", "< 2 500"),
                Metric(f"{label} : reçus", median("received_bytes"), "octets"),
            ]
        browser.close()
    return metrics


def sizes(worlds: list[World]) -> list[Metric]:
    """Return what pages read in each world, and the marts that grow most from first to last."""
    read = sorted(set().union(*page_marts().values()))
    rows = {
        world.name: {
            mart: int(str(world.ask(f"select count(*) from marts.{mart}")[0]))  # noqa: S608
            for mart in read
        }
        for world in worlds
    }
    metrics = [
        Metric(f"{world.name} : lignes que lisent les pages", sum(rows[world.name].values()))
        for world in worlds
    ]
    first, last = rows[worlds[0].name], rows[worlds[-1].name]
    grown = sorted(read, key=lambda mart: first[mart] - last[mart])
    return metrics + [
        Metric(f"{name} : {mart}", counts[mart], "lignes")
        for mart in grown[:8]
        if last[mart] > first[mart]
        for name, counts in rows.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=3, help="openings of each page (3)")
    parser.add_argument("--builds", type=int, default=1, help="builds of each site (1)")
    asked = parser.parse_args()
    worlds = [World(folder / "published/cyberimpact.duckdb") for folder in asked.folders]
    metrics = sizes(worlds)
    with tempfile.TemporaryDirectory(dir=asked.folders[0].parent) as name:
        work = Path(name)
        seconds: dict[str, list[float]] = {world.name: [] for world in worlds}
        for _ in range(asked.builds):  # in turn: the machine may be busier later
            for world in worlds:
                started = time.monotonic()
                build_site(
                    world.published, work / world.name / "site", work / "reports", lambda _: None
                )
                seconds[world.name].append(time.monotonic() - started)
        for world in worlds:
            built = round(statistics.median(seconds[world.name]))
            metrics.append(Metric(f"{world.name} : construction du site", built, "s"))
        for world in worlds:
            metrics += measure(world, work / world.name / "site", asked.rounds)
    record("pages", metrics, rounds=asked.rounds, builds=asked.builds)


if __name__ == "__main__":
    main()
