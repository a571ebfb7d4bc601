"""How fast pages are, and whether many messages slow them: `python -m benchmarks.pages FOLDER…`.

Each folder is one that was built and published (`make build`, `benchmarks.rebuild`); nothing is
written to it. With `--messages N`, one more world is made of the last one. Of each, the site is
built and served on the loopback; a page of each kind is opened `--rounds` times in a fresh Chromium
context (nothing cached).

*First content*: the browser's first-contentful-paint. *Interactive*: the framework has taken the
page over, its menu and choices answer. *First choice*: made as soon as it can be, until every
figure of the page is the one of that choice; that takes the database of the browser, its worker,
its WebAssembly, the Parquet files and the queries. *Bytes*: as received, headers included.

The world of N messages is not landed, and its texts are not read again: its public messages, and
what was read in them, are repeated, each copy on a day of its own among those of the world, then
dbt makes again every table that counts them (FED). What the text alone tells, stories and signals,
is that of the world that was repeated.
"""

import argparse
import os
import re
import resource
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
from typing import Any

import duckdb
import uvicorn
from playwright.sync_api import Browser, sync_playwright

from benchmarks import Metric, record
from orchestration.publication import publish
from orchestration.site import application, build_site, page_marts

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
# Table → the key of its messages, and what else a copy changes.
MESSAGES = {
    "int_avis__unioned": ("avis_id", "null as texte, null as titre"),
    "int_messages__unioned": ("message_id", "null as texte"),
    "int_messages__analyses": ("message_id", "null as mots"),
}
FED = (
    *("int_satisfaction__unioned", "int_satisfaction__ouvertes", "int_messages__suivis"),
    *("int_demandes__unioned", "int_demandes__mensuelles", "int_periodes__glissantes"),
    *("int_departements__mensuels", "int_services__mesures", "int_besoins__adequation"),
    *("int_besoins__departements", "fct_adequation", "fct_besoins", "fct_besoins__couverture"),
    *("fct_besoins__departements", "fct_besoins__exemples", "fct_bulletins", "fct_departements"),
    *("fct_departements__mensuels", "fct_moyens", "fct_avis", "fct_avis__delais"),
    *("fct_avis__mensuels", "fct_avis__quotidiens", "fct_avis__services"),
    *("fct_avis__structures", "fct_satisfaction__mensuels"),
)
# The page of a template that is opened.
FIRST = {
    "campagne": "select min(campagne_cle) from marts.fct_campagnes",
    "departement": "select '59'",
    "signal": "select arg_max(signal_id, ouvert_at) from marts.fct_signaux",
}
# Keeps what the page shows that a choice may change, and when it last changed.
WATCH = """
window.seen = {text: '', at: 0};
const look = () => {
    const said = [...document.querySelectorAll('article :is(.value, td, tbody th, [data-signal])')];
    const drawn = [...document.querySelectorAll('article path[data-code]')];
    const text = said.map((node) => node.textContent).join('|')
        + drawn.map((node) => node.getAttribute('class')).join('|');
    if (text !== window.seen.text) window.seen = {text, at: performance.now()};
};
document.addEventListener('DOMContentLoaded', () => new MutationObserver(look).observe(
    document, {subtree: true, childList: true, characterData: true, attributes: true}));
"""
# Nothing awaited, and nothing changed for three seconds: the database may take two to come.
SETTLED = """(before) => window.seen.text !== before && performance.now() - window.seen.at > 3000
    && ![...document.querySelectorAll('.value')].some((node) => node.textContent === '…')"""


@dataclass(frozen=True)
class World:
    name: str
    published: Path

    def ask(self, sql: str) -> Any:
        with duckdb.connect(str(self.published), read_only=True) as connection:
            [(found,)] = connection.execute(sql).fetchall()
        return found


def world_of(data: Path) -> World:
    """Return the world of a data folder, named by its messages."""
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        [(count,)] = connection.execute(
            "select count(*) from intermediate.int_messages__unioned"
        ).fetchall()
    name = f"{count / 1e6:.2f} M de messages".replace(".", ",")
    return World(name, data / "published/cyberimpact.duckdb")


def grow(source: Path, data: Path, messages: int) -> None:
    """Make in `data` the world of `source` with `messages` messages, and publish it."""
    for store in ("raw.duckdb", "warehouse.duckdb"):
        shutil.copy(source / store, data / store)
    with duckdb.connect(str(data / "warehouse.duckdb")) as connection:
        connection.execute("set memory_limit = '4GB'; set enable_progress_bar = false")
        connection.execute(
            # What people write on Je donne mon avis is counted apart, as persons.
            "create temp table public as select message_id from intermediate.int_messages__unioned"
            " where source != 'jedonnemonavis'"
        )
        [(there, days, first)] = connection.execute(
            "select count(*), date_diff('day', min(jour), max(jour)) + 1, min(jour)"
            " from intermediate.int_messages__unioned semi join public using (message_id)"
        ).fetchall()
        moved = f"date '{first}' + cast((jour - date '{first}' + copy * 37) % {days} as integer)"
        for table, (key, others) in MESSAGES.items():
            if table != "int_messages__analyses":
                others += f", {moved} as jour"
            connection.execute(
                f"insert into intermediate.{table} by name"  # noqa: S608
                f" select rows.* replace (rows.{key} || '#' || copy as {key}, {others})"
                f" from intermediate.{table} as rows"
                f" inner join public on rows.{key} = public.message_id"
                f" cross join range(1, {messages // there}) as copies(copy)"
            )
    dbt = [str(Path(sys.executable).with_name("dbt")), "run", "--quiet"]
    folders = ["--target-path", str(data / "dbt"), "--log-path", str(data / "dbt")]
    subprocess.run(  # noqa: S603
        [*dbt, *folders, "--select", *FED],
        cwd=ROOT / "dbt_project",
        env={**os.environ, "CYBERIMPACT_DATA": str(data), "DO_NOT_TRACK": "1"},
        check=True,
    )
    shutil.copytree(source / "published", data / "published", symlinks=True)
    published = data / "published/cyberimpact.duckdb"
    publish(data / "warehouse.duckdb", published, published.parent / "parquet")


@dataclass(frozen=True)
class Opened:
    first_content_ms: float
    interactive_ms: float
    first_choice_ms: float | None  # a page may offer none
    received_bytes: int


MEASURES = (
    ("first_content_ms", "premier contenu", "ms", "< 1 000"),
    ("interactive_ms", "interactive", "ms", "< 2 500"),
    ("first_choice_ms", "premier choix répondu", "ms", "< 2 500"),
    ("received_bytes", "reçus", "octets", ""),
)


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
    page.add_init_script(WATCH)
    page.goto(address, wait_until="commit")
    # The theme button is drawn by the framework once it runs.
    page.wait_for_selector("button.theme", timeout=120_000)
    interactive = page.evaluate("performance.now()")
    choice = page.locator(".filtres select").first
    answered = None
    if choice.count():
        before = page.evaluate("window.seen.text")
        chosen = page.evaluate("performance.now()")
        choice.select_option(index=choice.locator("option").count() - 1)
        page.wait_for_function(SETTLED, arg=before, timeout=120_000)
        answered = page.evaluate("window.seen.at") - chosen
    page.wait_for_load_state("networkidle")
    first = page.evaluate(
        "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
    )
    context.close()
    return Opened(first, interactive, answered, received[0])


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
            path = re.sub(r"\[(\w+)\]", lambda found: world.ask(FIRST[found[1]]), path)
            opened = [
                open_page(browser, f"{address}{path}{'/' * bool(path)}") for _ in range(rounds)
            ]

            for field, what, unit, aim in MEASURES:
                found = [getattr(one, field) for one in opened]
                if None not in found:
                    median = round(statistics.median(found))
                    metrics.append(Metric(f"{world.name}, {kind} : {what}", median, unit, aim))
        browser.close()
    return metrics


@dataclass(frozen=True)
class Cost:
    seconds: float
    cpu: float


def build(world: World, site: Path) -> Cost:
    started, used = time.monotonic(), _cpu()
    build_site(world.published, site, site.with_name("reports"), lambda _: None)
    return Cost(time.monotonic() - started, _cpu() - used)


def _cpu() -> float:
    """Return the seconds of processor of this process, and of node and its children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def sizes(worlds: list[World]) -> list[Metric]:
    """Return what pages read in each world, and the marts that grow most from first to last."""
    read = sorted(set().union(*page_marts().values()))
    rows = {
        world.name: {
            mart: world.ask(f"select count(*) from marts.{mart}")  # noqa: S608
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
    parser.add_argument("--messages", type=int, help="messages of one more world, made of the last")
    parser.add_argument("--rounds", type=int, default=3, help="openings of each page (3)")
    parser.add_argument("--builds", type=int, default=1, help="builds of each site (1)")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folders[0].parent) as name:
        folders = [*asked.folders]
        if asked.messages:
            folders.append(Path(name) / "data")
            folders[-1].mkdir()
            grow(asked.folders[-1], folders[-1], asked.messages)
        worlds = [world_of(folder) for folder in folders]
        metrics = sizes(worlds)
        sites = [Path(name) / f"site{number}" for number in range(len(worlds))]
        costs: list[list[Cost]] = [[] for _ in worlds]
        for _ in range(asked.builds):  # in turn: the machine may be busier later
            for world, site, cost in zip(worlds, sites, costs, strict=True):
                cost.append(build(world, site))
        for world, site, cost in zip(worlds, sites, costs, strict=True):
            told = f"{world.name}, construction du site"
            read = sum(file.stat().st_size for file in site.glob("data/**/*.parquet"))
            pages = len(list(site.rglob("index.html")))
            metrics += [
                Metric(f"{told} : durée", round(statistics.median(x.seconds for x in cost)), "s"),
                Metric(f"{told} : processeur", round(statistics.median(x.cpu for x in cost)), "s"),
                Metric(f"{told} : pages", pages),
                Metric(f"{told} : Parquet que lisent les pages", read, "octets"),
            ]
        for world, site in zip(worlds, sites, strict=True):
            metrics += measure(world, site, asked.rounds)
    record(
        "pages",
        metrics,
        rounds=asked.rounds,
        builds=asked.builds,
        load_after=round(os.getloadavg()[0], 1),
    )


if __name__ == "__main__":
    main()
