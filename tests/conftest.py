"""What the tests share: a data folder of their own, and the built world."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

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


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, the one that the system writes to during the test."""
    monkeypatch.setenv("CYBERIMPACT_DATA", str(tmp_path))
    return tmp_path


def drop_real_files(data: Path) -> None:
    """Put the real open data into the depot, or skip where it is not at hand."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real open data is not at hand")
    for file, source in REAL_FILES.items():
        folder = data / "depot" / source
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(REAL_DATA / file, folder)


def build(data: Path) -> subprocess.CompletedProcess[str]:
    """Run the main job on a data folder, as `make build` does."""
    return subprocess.run(
        [sys.executable, "-m", "orchestration", "build"],
        cwd=ROOT,
        env={**os.environ, "CYBERIMPACT_DATA": str(data)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder built whole from the sandbox, and a hostile file refused on the way."""
    folder = tmp_path_factory.mktemp("built")
    outcome = build(folder)
    assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-4000:]
    return folder
