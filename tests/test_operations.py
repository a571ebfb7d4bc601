"""What those who keep the house see: the state on one screen, for Prometheus, and as lines."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dlt_pipelines import stores
from orchestration import __main__ as command
from orchestration import state
from orchestration.journal import Journal
from orchestration.runs import open_instance

NOW = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
SAMPLE = re.compile(
    r'cyberimpact_[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\[\\"n])*"\})? [-+0-9.e]+', re.ASCII
)


@pytest.fixture
def published(data: Path) -> Path:
    """A publication of two sources, one of them late, and three signals."""
    stores.published().parent.mkdir()
    with duckdb.connect(str(stores.published())) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.ref_sources (source text, source_label text, origine text,"
            " lignes_count bigint, derniere_donnee_le date, derniere_prise_at timestamp,"
            " fraicheur_max_heures bigint, lignes_ecartees_count bigint,"
            " fichiers_refuses_count bigint)"
        )
        connection.executemany(
            "insert into marts.ref_sources values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                ("x", "X (réseau social)", "reel", 10, NOW, NOW - timedelta(hours=1), 24, 3, 0),
                ('a"b\\', "Percev@l", None, None, None, NOW - timedelta(hours=50), 24, 0, 1),
            ],
        )
        connection.execute(
            "create table marts.fct_signaux (etat text, gravite int, gravite_label text)"
        )
        connection.execute(
            "insert into marts.fct_signaux values ('a_verifier', 4, 'critique'),"
            " ('confirme', 2, 'modérée'), ('clos', 4, 'critique')"
        )
    return data


def test_one_screen_tells_what_runs_what_is_late_and_what_is_open(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.status() == 0
    told = capsys.readouterr().out
    for said in (
        "Sources en retard Percev@l",
        "Quarantaine 3 lignes · 1 fichiers refusés",
        "Signaux ouverts 1 critique, 1 modérée",
    ):
        assert said in told
    assert len(told.splitlines()) < 50


def test_a_publication_without_signals_says_nothing_of_them(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with duckdb.connect(str(stores.published())) as connection:
        connection.execute("drop table marts.fct_signaux")
    assert command.status() == 0
    assert "Signaux" not in capsys.readouterr().out


def test_prometheus_reads_the_state(published: Path) -> None:
    target = published / "textfile/cyberimpact.prom"
    assert command.metrics(target) == 0
    lines = target.read_text("utf-8").splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert [line for line in samples if not SAMPLE.fullmatch(line)] == []
    assert len(samples) == len(set(samples)) > 10
    for sample in (
        'cyberimpact_signals_open{gravite="critique"} 1.0',
        'cyberimpact_source_rows_set_aside{source="x"} 3.0',
        'cyberimpact_source_files_refused{source="a\\"b\\\\"} 1.0',
    ):
        assert sample in samples
    (visited,) = (
        line
        for line in samples
        if line.startswith('cyberimpact_source_visit_timestamp_seconds{source="x"')
    )
    assert float(visited.split()[-1]) == (NOW - timedelta(hours=1)).replace(tzinfo=UTC).timestamp()
    named = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(named) == len(set(named)) and not (target.parent / ".cyberimpact.prom").exists()


def test_without_a_publication_what_is_known_is_told(data: Path) -> None:
    with open_instance() as instance:
        told = state.prometheus(state.read(instance))
    assert "disk_free_bytes" in told and "publication" not in told


def test_each_run_leaves_lines_of_names_and_counts(data: Path) -> None:
    private = "Camille Canariov, 06 39 98 12 34"

    @dg.multi_asset(
        specs=[dg.AssetSpec("avis")], check_specs=[dg.AssetCheckSpec("sain", asset="avis")]
    )
    def landed(context: dg.AssetExecutionContext):
        context.log.info(private)
        yield dg.MaterializeResult("avis", metadata={"lignes lues": 12, "curseur": private})
        yield dg.AssetCheckResult(
            asset_key="avis", check_name="sain", passed=False, metadata={private * 2: 1}
        )

    @dg.asset(deps=["avis"])
    def broken() -> None:
        raise ValueError(private)

    with open_instance() as instance:
        assert any(isinstance(handler, Journal) for handler in instance.get_handlers())
        dg.materialize([landed, broken], instance=instance, raise_on_error=False)
    (file,) = (data / "logs").glob("evenements-*.jsonl")
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    events = [line["event"] for line in lines]
    assert events[0] == "run_start" and events[-1] == "run_failure"
    assert len({line["run"] for line in lines}) == 1
    (made,) = (line for line in lines if line["event"] == "made")
    assert (made["asset"], made["step"], made["counts"]) == ("avis", "landed", {"lignes lues": 12})
    (checked,) = (line for line in lines if line["event"] == "check")
    assert (checked["check"], checked["passed"], checked["counts"]) == ("sain", False, {})
    assert "step_failure" in events
    assert private not in file.read_text("utf-8")


def test_lines_of_former_months_go(data: Path) -> None:
    folder = data / "logs"
    folder.mkdir()
    for day in range(1, 29):
        for month in range(1, 5):
            (folder / f"evenements-2020-{month:02}-{day:02}.jsonl").touch()
    with open_instance() as instance:

        @dg.asset
        def nothing() -> None: ...

        dg.materialize([nothing], instance=instance)
    assert len(list(folder.glob("evenements-*"))) == 91


ROOT = Path(__file__).resolve().parents[1]


def test_every_alarm_and_check_says_what_to_do() -> None:
    rules = (ROOT / "deploy/prometheus/cyberimpact.rules.yml").read_text("utf-8")
    alarms = re.findall(r"- alert: (\w+)", rules)
    checks = re.findall(
        r'f?"((?:\{name\}|published)_\w+)"', (ROOT / "orchestration/assets.py").read_text()
    )
    entries = re.findall(
        r"^### `?([^`\n]+)", (ROOT / "docs/exploitation.md").read_text("utf-8"), re.M
    )
    named = {check.replace("{name}", "<source>") for check in checks}
    assert len(alarms) > 5 and len(named) > 3
    assert {*alarms, *named} <= set(entries)


def test_alarms_watch_what_is_measured(published: Path) -> None:
    rules = (ROOT / "deploy/prometheus/cyberimpact.rules.yml").read_text("utf-8")
    with open_instance() as instance:
        instance.add_run(dg.DagsterRun("refresh_all", status=dg.DagsterRunStatus.SUCCESS))
        (run,) = instance.get_runs()
        instance.report_engine_event("", job_name=run.job_name, run_id=run.run_id)
        now = datetime.now(UTC)
        failing = {"x": "clé refusée"}
        state.write_following(state.Following(now, now, 3, 40, 1.5, 2.5, failing, fault=""))
        assert state.read_following() == state.Following(
            now, now, 3, 40, 1.5, 2.5, failing, fault="", is_alive=False
        )
        told = state.prometheus(state.read(instance))
    known = set(re.findall(r"^# TYPE (\w+)", told, re.M))
    watched = set(re.findall(r"\bcyberimpact_\w+", rules))
    assert watched - known <= {"cyberimpact_last_success_timestamp_seconds"}
