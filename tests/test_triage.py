"""What duty officers say: noted once, protected before it is written, refused when it is none."""

import csv
import getpass
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from dlt_pipelines import stores
from dlt_pipelines.landings import land
from orchestration.__main__ import main
from orchestration.triage import log


@pytest.fixture
def published(data: Path) -> None:
    """A publication of one open signal and a closed one."""
    stores.published().parent.mkdir()
    with duckdb.connect(str(stores.published())) as connection:
        connection.execute(
            """
            create schema marts;
            create table marts.fct_signaux as
            from (values
                ('panique-2a-0304', 3, 'élevée', 'à vérifier', timestamp '2026-03-04 17:00',
                    '2A', '2A,2B', 'Publications inhabituelles', null),
                ('crue-29-0201', 2, 'modérée', 'clos', timestamp '2026-02-01 08:00',
                    '29', null, 'Crue', timestamp '2026-02-04 08:00')
            ) as signaux (
                signal_id, gravite, gravite_label, etat_label, ouvert_at,
                departement_code, departements_codes, titre, clos_at
            )
            """
        )


def say(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["orchestration", "triage", *words])
    return main()


@pytest.mark.usefixtures("published")
def test_open_signals_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")  # 80 columns: a narrow screen, or a pipe
    assert say(monkeypatch) == 0
    shown = capsys.readouterr().out
    assert "panique-2a-0304" in shown
    assert "crue-29-0201" not in shown


@pytest.mark.usefixtures("published")
def test_a_verdict_is_noted_protected_and_lands_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    word = "Vu par la patrouille ; témoin au 06 39 98 12 34"
    assert say(monkeypatch, "panique-2a-0304", "VRAI", "--mot", word, "--agent", "agent.un") == 0
    assert say(monkeypatch, "crue-29-0201", "a-suivre", "--debut", "2026-02-01T06:00") == 0
    assert "Noté : crue-29-0201, à suivre" in capsys.readouterr().out
    written = log().read_text("utf-8")
    assert not any(said in written for said in ("agent.un", getpass.getuser(), "06 39 98"))
    first, second = csv.DictReader(written.splitlines(), delimiter=";")
    assert first["mot"] == "Vu par la patrouille ; témoin au [telephone]"
    assert first["agent"] != second["agent"]
    assert second["debut_at"] == "2026-02-01T06:00:00+01:00"  # in Paris, wherever the machine is
    assert datetime.fromisoformat(first["dit_at"]).tzinfo is not None
    assert land("triage").total("new") == 2
    assert not land("triage").changed
    # The log only grows, and what it already said is not said anew.
    assert say(monkeypatch, "panique-2a-0304", "faux") == 0
    assert log().read_text("utf-8").startswith(written)
    assert land("triage").total("new") == 1


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("panique-2a-0304", "peut-être"), "n'est pas un verdict. Remède : dire vrai"),
        (("panique-2a-0304",), "n'est pas un verdict"),
        (("panique-2a-0305", "vrai"), "Vouliez-vous dire panique-2a-0304"),
        (("panique-2a-0304", "vrai", "--debut", "hier"), "n'est pas un instant. Remède"),
    ],
)
def test_what_is_no_verdict_is_refused_and_nothing_written(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    reason: str,
) -> None:
    assert say(monkeypatch, *words) == 1
    assert reason in capsys.readouterr().err
    assert not log().exists()


def test_without_a_publication_the_remedy_is_said(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(monkeypatch, "panique-2a-0304", "vrai") == 1
    assert "Aucune publication. Remède : lancer `make build`." in capsys.readouterr().err
    assert not list(data.rglob("*.csv"))
