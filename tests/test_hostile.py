"""Hostile text stays text, from the door to what is published.

`test_other_worlds.py` reads it in a browser.
"""

import csv
from pathlib import Path

import duckdb
import pytest
from conftest import HOSTILE
from test_warehouse import create_raw

from dlt_pipelines import catalog, landings, privacy, stores
from dlt_pipelines.door import Records
from dlt_pipelines.landings import land
from orchestration import publication, warehouse

NUL = "avant\x00après"


def test_no_source_lets_a_text_act(data: Path) -> None:
    """Whatever the column, a text is kept as it is, masked or set aside; and nothing stops."""
    kept, sent = 0, [*HOSTILE, NUL]
    allowed = {text.strip() for text in (*sent, NUL.replace("\x00", ""))}
    for source in catalog.CATALOG.values():
        for table, door in landings.doors_of(source, "reel", landed=False).items():
            texts = [column for column in door.columns if column.data_type == "text"]
            records = [{column.name: text for column in texts} for text in sent]
            page: Records = {"whence": HOSTILE[7], "records": records}
            for admitted in door.admit([page]):
                for column in texts:
                    if column.personal == privacy.KEEP and column.name in admitted.column_names:
                        found = {text for text in admitted[column.name].to_pylist() if text}
                        assert found <= allowed, f"{table}.{column.name}"
                        kept += len(found)
            told = {row["motif"] for row in door.tally.rejects.to_pylist()}
            assert not [text for text in sent if any(text in reason for reason in told)]
    assert kept > 100


@pytest.mark.slow
def test_hostile_rows_go_all_the_way_and_nothing_runs(data: Path) -> None:
    folder = data / "depot/services_publics_plus"
    folder.mkdir(parents=True)
    file = folder / "=cmd'; drop schema registre; --\"><script>{{ 1 }}${a}.csv"
    with file.open("w", encoding="utf-8", newline="") as written:
        rows = csv.writer(written, delimiter=";")
        known = ["ID expérience", "Date de publication", "Ressenti usager", "Titre", "Description"]
        rows.writerow([*known, "Démarches saisies par usager", "Intitulé structure 1"])
        for number, text in enumerate([*HOSTILE, NUL], 1):
            rows.writerow([number, "2026-03-01", "Neutre", *[text] * 4])
    land("services_publics_plus")
    with duckdb.connect(stores.raw(), read_only=True) as connection:
        raw = connection.execute(
            "select titre from raw_services_publics_plus.experiences order by experience_id"
        ).fetchall()
        taken = connection.execute("select fichier, statut from registre.fichiers").fetchall()
    masked = [privacy.redact(text).strip() for text in HOSTILE]
    assert [title.strip() for (title,) in raw][: len(HOSTILE)] == masked
    assert taken == [(file.name, "pris")]

    stores.raw().unlink()
    experiences = [
        {
            "experience_id": number,
            "publie_at": "2026-03-01 10:00:00+00",
            "ressenti": "Neutre",
            "titre": title,
            "description": f"Plainte {title}",
            "demarches": title,
            "structure_1": title,
        }
        for number, (title,) in enumerate(raw)
    ]
    received = {
        "source": "services_publics_plus",
        "empreinte": "a",
        "fichier": file.name,
        "octets": 10,
        "statut": "pris",
        "motif": HOSTILE[7],
        "origine": "reel",
        "prise_at": "2026-04-01 00:00:00+00",
    }
    create_raw(
        stores.raw(),
        {"raw_services_publics_plus.experiences": experiences, "registre.fichiers": [received]},
    )
    selected = ["--select", "+fct_avis", "+fct_fichiers", "--indirect-selection", "buildable"]
    nodes = warehouse.build(selected, lambda _: None)
    assert [(node.unique_id, node.message) for node in nodes if node.is_broken] == []
    publication.publish(stores.warehouse(), stores.published(), stores.published_parquet())
    with duckdb.connect(stores.published(), read_only=True) as connection:
        assert connection.execute("select count(*) from marts.fct_avis").fetchall() == [(len(raw),)]
        files = connection.execute("select fichier, motif from marts.fct_fichiers").fetchall()
    assert files == [(file.name, HOSTILE[7])]
