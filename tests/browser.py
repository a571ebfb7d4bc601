"""A built site, served on the loopback, and what one page of it does in a real browser."""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import uvicorn
from front import SITE
from playwright.sync_api import Page, expect

from orchestration.site import application

# The page of a template that tests open: the first one with the most to show.
FIRST = {
    "departement": "select '48'",  # small: some of its counts are hidden
    "campagne": "select campagne_cle from marts.fct_campagnes"
    " order by conclusion = 'non_estimable', campagne_cle limit 1",
    "signal": "select signal_id from marts.fct_signaux order by ouvert_at desc limit 1",
}
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {SITE} 127.0.0.1, MAP *.{SITE} 127.0.0.1",
]


@dataclass
class World:
    """A built site, served, and the published file that it was built from."""

    address: str
    published: Path

    def sql(self, query: str) -> tuple[object, ...]:
        with duckdb.connect(str(self.published), read_only=True) as connection:
            row = connection.execute(query).fetchone()
        assert row is not None
        return row


def served(site: Path) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(application(site), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline, "the site server did not start"
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join(10)


@dataclass
class Visit:
    """One page, open, and what it did meanwhile."""

    page: Page
    world: World
    faults: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        self.page.on(
            "console",
            lambda message: (
                self.faults.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on(
            "response",
            lambda answer: self.faults.append(answer.url) if answer.status >= 400 else None,
        )
        self.page.on("request", lambda request: self._check_origin(request.url))
        path = re.sub(r"\[(\w+)\]", lambda name: str(self.world.sql(FIRST[name[1]])[0]), path)
        self.page.goto(self.world.address + path, wait_until="networkidle")
        expect(self.page.locator("article h1")).to_be_visible()

    def _check_origin(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and not url.startswith(self.world.address):
            self.faults.append(f"request to {url}")

    def expect_figure(self, label: str, value: object) -> None:
        shown = self.page.locator(f'[data-chiffre="{label}"] .value')
        expect(shown).to_have_text(
            re.compile(rf"^{re.escape(french(value))}(\s(€|jours))?$"), timeout=20_000
        )


def french(value: object) -> str:
    """Write an integer or a text as pages do: `1234` gives `1 234` with a narrow space."""
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) else str(value)
