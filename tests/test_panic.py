"""The planted panic on the built world: it opens, is confirmed, and closes by itself."""

from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from dlt_pipelines.sandbox import PlantedEvent, ledger, world

LEARNT = timedelta(days=56)  # a series teaches before it alarms
CLOSES = timedelta(days=14)  # what a signal takes to close: days of silence after the last alarm


def over() -> list[PlantedEvent]:
    """Return the planted panics that had time to be seen to their end."""
    ours = world()
    begin = ours.now - timedelta(days=(ours.end - ours.start).days) + LEARNT
    return [
        event
        for event in ledger(ours)
        if event.kind == "panique" and event.start > begin and event.end + CLOSES < ours.now
    ]


@pytest.mark.slow
def test_each_planted_panic_opens_is_confirmed_and_closes(built: Path) -> None:
    panics = over()
    assert len(panics) >= 2
    with duckdb.connect(str(built / "published/cyberimpact.duckdb"), read_only=True) as marts:
        for panic in panics:
            start, end = (at.replace(tzinfo=None) for at in (panic.start, panic.end))
            found = marts.execute(
                "select signal_id, departements_codes, ouvert_at, confirme_at, clos_at, etat"
                " from marts.fct_signaux where sujet = 'panique' and famille = 'reseaux'"
                " and ouvert_at between ? and ?",
                [start, end],
            ).fetchall()
            assert len(found) == 1, f"{panic} : {found}"
            [(signal, places, opened, confirmed, closed, state)] = found
            assert opened - start < timedelta(hours=12), panic
            assert set(places.split(",")) & set(panic.departements), (panic, places)
            assert opened < confirmed < closed, panic
            assert closed > end, panic
            assert state == "clos"
            told = marts.execute(
                "select evenement from marts.fct_signaux__evenements where signal_id = ?"
                " order by evenement_at",
                [signal],
            ).fetchall()
            events = [event for (event,) in told]
            assert events[0] == "ouvert"
            assert events[-1] == "clos"
            assert events.index("confirme") < events.index("clos")
            [(independent,)] = marts.execute(
                "select count(*) from marts.fct_signaux_preuves where signal_id = ?"
                " and nature = 'source_independante'",
                [signal],
            ).fetchall()
            assert independent > 0
