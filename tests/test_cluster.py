"""The same project on a real Spark cluster, compared with DuckDB: `make cluster-test`."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pyspark", reason="`make cluster-test` installs it")

from conftest import ROOT

from deploy.spark import compare
from deploy.spark.cluster import Cluster

BUILD = """
import sys
from orchestration import warehouse
arguments = sys.argv[1:]
nodes = warehouse.build(arguments, print) if arguments else warehouse.refresh(print).nodes
if error := warehouse.broken(nodes):
    sys.exit(str(error))
"""
PUBLISH = """
from dlt_pipelines import stores
from orchestration import publication
publication.publish(stores.warehouse(), stores.published(), stores.published_parquet())
"""
# What the kills build again: the messages, read by the workers, and what is counted of them.
SELECTION = (
    "--select",
    "int_lieux__cites",
    "int_lieux__cites+1",
    "--exclude-resource-type",
    "test",
)
# What `make cluster-check` builds: from raw to a mart, with the Python that runs on workers.
WAY = ("--select", "+fct_avis", "+int_messages__lus", "--indirect-selection", "cautious")
SOURCES = (
    "avis_google",
    "bluesky",
    "facebook",
    "geographie",
    "jedonnemonavis",
    "mastodon",
    "services_publics_plus",
    "structures",
    "x",
    "youtube",
)
LAND = "import runpy; runpy.run_module('dlt_pipelines', run_name='__main__')"
SMALL = """
from dlt_pipelines import sandbox
world = sandbox.world
sandbox.world = lambda: world(months=2, size=0.02)
"""


def run(data: Path, code: str, *arguments: str, engine: str = "spark") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        cwd=ROOT,
        env={**os.environ, "CYBERIMPACT_DATA": str(data), "CYBERIMPACT_ENGINE": engine},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def done(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=1800)
    assert process.returncode == 0, said[-4000:]
    return said


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    with pytest.MonkeyPatch.context() as patch:
        # Of all processes: the second compiler of the JVM pays back after longer than they live.
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
        try:
            made.start()
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder landed from the sandbox and built by DuckDB."""
    data = tmp_path_factory.mktemp("duckdb")
    done(run(data, LAND))
    done(run(data, BUILD, engine="duckdb"))
    return data


@pytest.fixture(scope="module")
def distributed(embedded: Path, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows, built by the cluster; every test of dbt passed on both."""
    data = tmp_path_factory.mktemp("spark")
    shutil.copy(embedded / "raw.duckdb", data)
    done(run(data, BUILD))
    return data


def same(embedded: Path, distributed: Path) -> dict[str, str]:
    return compare.differences(
        embedded / "warehouse.duckdb", distributed / "warehouse.duckdb", ("seeds", "marts")
    )


def test_the_way_of_a_message_is_the_same(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here, there = (tmp_path_factory.mktemp(engine) for engine in ("duckdb-way", "spark-way"))
    done(run(here, SMALL + LAND, *SOURCES))
    done(run(here, BUILD, *WAY, engine="duckdb"))
    shutil.copy(here / "raw.duckdb", there)
    done(run(there, BUILD, *WAY))
    warehouses = here / "warehouse.duckdb", there / "warehouse.duckdb"
    made = {"fct_avis", "int_lieux__cites", "int_messages__lus"}
    assert compare.differences(*warehouses, ("marts", "intermediate"), made) == {}


def test_every_mart_is_the_same_and_is_published(embedded: Path, distributed: Path) -> None:
    assert same(embedded, distributed) == {}
    done(run(distributed, PUBLISH))
    assert len(list((distributed / "published" / "parquet").glob("*.parquet"))) > 60


def test_a_killed_worker_changes_nothing(
    embedded: Path, distributed: Path, cluster: Cluster
) -> None:
    building = run(distributed, BUILD, *SELECTION)
    wait_for_a_task(cluster, building)
    cluster.kill("worker1")
    try:
        done(building)
    finally:
        cluster.start_worker(1)
    assert same(embedded, distributed) == {}


def test_a_killed_driver_is_told_and_one_command_repairs(
    embedded: Path, distributed: Path, cluster: Cluster
) -> None:
    building = run(distributed, BUILD, *SELECTION)
    wait_for_a_task(cluster, building)
    cluster.kill("driver")
    said, _ = building.communicate(timeout=600)
    assert building.returncode != 0
    assert "le pilote de Spark ne répond plus" in said
    assert "Remède" in said
    cluster.start_driver()
    done(run(distributed, BUILD, *SELECTION))
    assert same(embedded, distributed) == {}
    folders = list((distributed / "lac" / "warehouse").glob("*/*/*"))
    assert len(folders) == len({folder.parent for folder in folders}), (
        "nothing half-written is left"
    )


def wait_for_a_task(cluster: Cluster, building: subprocess.Popen[str]) -> None:
    """Wait until the first worker is at work on a model."""
    log = cluster.folder / "driver.log"
    start = log.stat().st_size
    for _ in range(6000):
        assert building.poll() is None, building.communicate()[0][-4000:]
        if log.read_bytes()[start:].count(b"(127.0.0.11,executor") >= 5:
            return
        time.sleep(0.1)
    raise AssertionError("the worker did nothing")
