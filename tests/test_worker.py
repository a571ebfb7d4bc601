"""The worker: a message that appears at a source is published, judged, told, and reported."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import requests
from test_alerts import Web

from benchmarks.freshness import Poster, live, live_world, made_real
from dlt_pipelines import landings, sandbox, stores
from dlt_pipelines.landings import Follower, LandingError
from dlt_pipelines.registre import WRITER, alone
from orchestration import alerts, marks, state
from orchestration.runs import open_instance

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300  # seconds, on two busy cores


@pytest.fixture
def url(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with sandbox.serve(live_world()) as served:
        for name, value in live("bluesky", served).items():
            monkeypatch.setenv(name, value)
        yield served


def count(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        ((rows,),) = connection.execute("select count(*) from raw_bluesky.posts").fetchall()
    return int(rows)


def test_only_what_is_new_lands_once_and_a_dead_service_loses_nothing(data: Path, url: str) -> None:
    poster = Poster(url)
    poster.post("panique à la gare")
    follower = Follower("bluesky")
    first = follower.land()  # never asked: whole
    assert first and first.tables["posts"].new >= 1
    known = count(data / "raw.duckdb")

    def again() -> Any:
        follower._due = 0
        return follower.land()

    assert again() is None
    poster.post("panique au marché")
    poster.post("panique au marché, jean.dupont@exemple.org")
    landing = again()
    assert landing.tables["posts"].new == 2
    assert list(landing.tables) == ["posts"]
    assert again() is None
    with alone("bluesky"):  # a whole landing is under way, and brings it
        poster.post("panique dans le métro")
        assert again() is None
    since = follower.since
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landings, "_pages", broken)
        with pytest.raises(LandingError):
            again()
    assert follower.since == since
    assert again().tables["posts"].new == 1
    assert count(data / "raw.duckdb") == known + 3
    with duckdb.connect(str(data / "raw.duckdb"), read_only=True) as connection:
        assert "exemple.org" not in str(connection.execute("from raw_bluesky.posts").fetchall())
        # All that following brought is one line.
        assert connection.execute(
            "select lignes_nouvelles, statut from registre.prises where prise_id like 'suivi/%'"
        ).fetchall() == [(3, "ok")]


def test_a_warehouse_of_another_version_waits_for_a_whole_build(data: Path) -> None:
    from orchestration.warehouse import PROJECT  # dbt writes to the data folder
    from orchestration.worker import Worker

    for store in (stores.warehouse(), stores.published()):
        store.parent.mkdir(exist_ok=True)
        store.touch()
    with open_instance() as instance:
        worker = Worker(instance)
        assert not worker._has_base()
        assert "autre version" in worker.state.fault
        marks.put("projet", marks.files(PROJECT, ("target", "logs", "__pycache__")), "")
        assert worker._has_base()


def test_a_judgement_is_cut_into_parts_that_follow_each_other(data: Path) -> None:
    from orchestration import warehouse

    nodes = json.loads(warehouse.manifest().read_text("utf-8"))["nodes"]
    tagged = {one: node for one, node in nodes.items() if "heure" in node.get("tags", [])}
    parts = warehouse._following("heure").parts
    assert len(parts) == warehouse.parts("heure") > 1
    place = {name: number for number, names in enumerate(parts) for name in names}
    assert place.keys() >= {node["name"] for node in tagged.values()}
    assert sum(map(len, parts)) == len(place)

    def judged(unique_id: str) -> set[str]:
        """Return what is built with it, and comes before it."""
        found = set()
        for parent in nodes[unique_id]["depends_on"].get("nodes", []):
            if parent in nodes:
                found |= {parent} & tagged.keys() or judged(parent)
        return found

    for unique_id, node in nodes.items():
        if node["name"] in place:
            for parent in judged(unique_id):
                ends_a_part = tagged[parent]["language"] == "python"
                after = place[tagged[parent]["name"]] + ends_a_part
                assert place[node["name"]] >= after, (unique_id, parent)


def test_what_waited_for_the_stores_lands_before_the_next_part(
    data: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.worker import MINUTE, Worker

    monkeypatch.setattr("orchestration.worker.SECONDS_BETWEEN_PARTS", PATIENCE)
    worker, follower = Worker(dg.DagsterInstance.ephemeral()), Follower("bluesky")
    worker._followers = {"bluesky": follower, "mastodon": Follower("mastodon")}  # which has no key
    assert follower.land()
    Poster(url).post("panique à la gare")
    follower._due = 0
    worker._judging.extend((1, 2))  # the parts that are left
    with WRITER:  # as the first part holds it
        worker._coming["bluesky"] = worker._threads["bluesky"].submit(follower.land)
        time.sleep(1)
    worker._land()
    assert worker._due() == MINUTE


def broken(_: Any) -> Any:
    raise requests.ConnectionError


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def until(condition: Callable[[], Any], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.mark.slow
def test_a_message_is_seen_judged_told_and_reported(
    built: Path, data: Path, url: str, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("raw.duckdb", "warehouse.duckdb", "pseudonymes.cle"):
        shutil.copy(built / name, data)
    for name in ("published", "dbt", "etat"):
        shutil.copytree(built / name, data / name, symlinks=True)
    made_real(data)
    (data / "depot").mkdir(exist_ok=True)
    (data / "depot/abonnements.toml").write_text(
        '[[abonnement]]\nnom = "Permanence"\nsujets = ["panique"]\ncanaux = ["ALERTES_ESSAI"]\n'
    )
    monkeypatch.setenv("ALERTES_ESSAI", f"json://{web.host}")
    alerts.send()  # what was published before anybody subscribed is told to nobody

    def read(query: str) -> Any:
        with duckdb.connect(str(stores.published()), read_only=True) as connection:
            return connection.execute(query).fetchall()[0][0]

    posts = (
        "select sum(publications_count) from marts.fct_publications where plateforme = 'bluesky'"
    )
    panics = (
        "select count(*) from marts.fct_signaux where sujet = 'panique' and source = 'bluesky'"
        " and maj_at > now() - interval 1 hour"
    )
    before = read(posts)
    poster = Poster(url)
    command = [sys.executable, "-m", "orchestration", "suivi"]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            poster.post("Une arnaque au faux conseiller à Annecy")
            until(lambda: read(posts) > before, process)
            assert read(panics) == 0
            second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert second.returncode == 1
            assert "déjà en marche" in second.stdout
            for rank in range(200):
                poster.post(f"Mouvement de foule et panique à Annecy ({rank})")
            until(lambda: read(panics) and web.posted, process)
            assert "panique" in json.dumps(web.posted, ensure_ascii=False).lower()
            until(lambda: (told := state.read_following()) and told.rows > 1, process)
            following = state.read_following()
            assert following
            assert following.is_alive
        finally:
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            assert process.wait(60) == 0
    assert time.monotonic() - begun < 30
    told = state.read_following()
    assert told
    assert not told.is_alive
    with open_instance() as instance:
        for key in ("bluesky/posts", "marts/fct_publications", "published/cyberimpact"):
            event = instance.get_latest_materialization_event(dg.AssetKey(key.split("/")))
            assert event, key
        name = "unique_combination_fct_publications_plateforme__sujet__mois"
        key = dg.AssetCheckKey(dg.AssetKey(["marts", "fct_publications"]), name)
        [check] = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert check.status.value == "SUCCEEDED"
