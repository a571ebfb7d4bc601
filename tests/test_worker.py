"""The worker: a message that appears at a source is published, judged, told, and reported."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests

from benchmarks.freshness import Poster, live, live_world
from dlt_pipelines import landings, sandbox
from dlt_pipelines.landings import Follower, LandingError
from dlt_pipelines.registre import alone

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 120  # seconds, on two busy cores


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


def broken(_: Any) -> Any:
    raise requests.ConnectionError
