"""The door on files: every real variation is read, every corruption is refused or set aside."""

import codecs
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest
from conftest import REAL_DATA, ROOT, drop_real_files
from hypothesis import given
from hypothesis import strategies as st

from dlt_pipelines import depot, lake, landings, stores
from dlt_pipelines.catalog import CATALOG
from dlt_pipelines.door import Door, Known
from dlt_pipelines.landings import LandingError, land, land_together

HEADER = (
    "ID expérience;Date de publication;Titre;Description;Ressenti usager;"
    "Code INSEE Département usager"
)
ROWS = (
    '1;06/10/2022 15:07;Accueil;"Très bien ; ""vraiment""\nmerci";Positif;1',
    "2;2023-01-02T08:00:00;Attente;J’attends depuis l’été;Négatif;2A",
    "3;03/01/2023 23:30;Rien;Rien à dire;Neutre;75.0",
)


def write(data: Path, source: str, name: str, content: str | bytes) -> Path:
    path = data / "depot" / source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def export(*rows: str, header: str = HEADER) -> str:
    return "\n".join((header, *rows)) + "\n"


def query(sql: str) -> list[tuple]:
    with duckdb.connect(stores.raw(), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def experiences() -> list[tuple]:
    return query(
        "select experience_id, publie_at at time zone 'UTC', description, ressenti,"
        " departement_insee from raw_services_publics_plus.experiences order by 1"
    )


EXPECTED = [
    (1, datetime(2022, 10, 6, 13, 7), 'Très bien ; "vraiment"\nmerci', "Positif", "01"),
    (2, datetime(2023, 1, 2, 7, 0), "J’attends depuis l’été", "Négatif", "2A"),
    (3, datetime(2023, 1, 3, 22, 30), "Rien à dire", "Neutre", "75"),
]

WRITINGS: dict[str, Callable[[str], bytes]] = {
    "utf-8": lambda text: text.encode(),
    "byte order mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "cp1252": lambda text: text.encode("cp1252"),
    "utf-16": lambda text: text.encode("utf-16"),
    "line ends of Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "upper case and doubled spaces": lambda text: text.replace(
        HEADER, HEADER.upper().replace(" ", "  ")
    ).encode(),
    "names of 2022": lambda text: (
        text.replace("Titre;", "Titre;Etat de l'expérience;")
        .replace(";Accueil;", ";Accueil;Traitée;")
        .replace(";Attente;", ";Attente;Traitée;")
        .replace(";Rien;", ";Rien;Traitée;")
        .encode()
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("writing", WRITINGS)
def test_every_writing_of_an_export_reads_the_same(data: Path, writing: str) -> None:
    write(data, "services_publics_plus", "export.csv", WRITINGS[writing](export(*ROWS)))
    landing = land("services_publics_plus")
    assert landing.origin == "reel"
    assert landing.total("new") == 3
    assert [
        (i, at, text.replace("\r\n", "\n"), tone, place)
        for i, at, text, tone, place in experiences()
    ] == EXPECTED


def test_commas_and_decimal_commas(data: Path) -> None:
    write(
        data,
        "ssmsi",
        "layout.csv",
        "classe,annee,Code.département,unité.de.compte,faits,POP,tauxpourmille\n"
        'Homicides,16,1,Victime,5,638425,"0,0078"\n',
    )
    assert land("ssmsi").total("new") == 1
    assert query(
        "select code_departement, annee, indicateur, nombre, taux_pour_mille, insee_pop"
        " from raw_ssmsi.delinquance_departements"
    ) == [("01", 2016, "Homicides", 5, 0.0078, 638425)]


@pytest.mark.slow
def test_a_file_is_known_by_its_content(data: Path) -> None:
    first = write(data, "services_publics_plus", "export.csv", export(*ROWS))
    assert land("services_publics_plus").changed
    second = land("services_publics_plus")
    assert (second.changed, second.files_taken, second.total("read")) == (False, [], 0)
    first.rename(first.with_name("copie.csv"))
    third = land("services_publics_plus")
    assert (third.changed, third.files_taken) == (False, [])
    assert query("select count(*) from registre.fichiers") == [(1,)]


@pytest.mark.slow
def test_a_later_file_corrects_and_adds_without_doubling(data: Path) -> None:
    write(data, "services_publics_plus", "a.csv", export(*ROWS))
    land("services_publics_plus")
    corrected = ROWS[2].replace("Neutre", "Positif")
    fourth = "4;04/01/2023 10:00;Merci;Merci;Positif;29"
    write(data, "services_publics_plus", "b.csv", export(*ROWS[:2], corrected, fourth))
    landing = land("services_publics_plus")
    assert (landing.total("new"), landing.total("changed")) == (1, 1)
    assert [(row[0], row[3]) for row in experiences()] == [
        (1, "Positif"),
        (2, "Négatif"),
        (3, "Positif"),
        (4, "Positif"),
    ]


@pytest.mark.slow
def test_a_first_landing_of_two_files_keeps_the_last_word(data: Path) -> None:
    write(data, "services_publics_plus", "a.csv", export(*ROWS))
    write(data, "services_publics_plus", "b.csv", export(ROWS[2].replace("Neutre", "Positif")))
    landing = land("services_publics_plus")
    assert (landing.total("new"), landing.total("changed")) == (3, 1)
    assert [row[3] for row in experiences()] == ["Positif", "Négatif", "Positif"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "content", "reason"),
    [
        ("services_publics_plus", b"", "vide"),
        ("services_publics_plus", b"\x89PNG\r\n\x1a\n\x00\x00", "octets nuls"),
        ("services_publics_plus", b"a;b;c\n1;2;3\n", "ID expérience"),
        ("ssmsi", export(*ROWS).encode(), "indispensables absentes"),
        ("perceval", b'{"nb_report_day": {}', "JSON"),
        ("perceval", b'{"nb_report_day": {"2022-01-01": NaN}}', "JSON"),
        ("perceval", b"[]", "objet"),
        ("perceval", b'{"nb_report_day": {}}', "amount_of_money_day"),
        ("perceval", b"[" * 100_000, "JSON"),
        ("perceval", b'{"\\ud800": 1}', "impossibles"),
        ("services_publics_plus", export().encode(), "aucune ligne"),
    ],
)
def test_a_file_that_is_something_else_is_refused_and_stays(
    data: Path, source: str, content: bytes, reason: str
) -> None:
    write(data, source, "bon.txt", GOOD[source])
    land(source)
    before = query(f"select count(*) from raw_{source}.{CATALOG[source].tables[0]}")
    path = write(data, source, "faux.txt", content)
    for _ in range(2):
        landing = land(source)
        ((name, said),) = landing.files_refused
        assert name == "faux.txt"
        assert reason in said
        assert not landing.changed
    assert path.read_bytes() == content
    assert query(f"select count(*) from raw_{source}.{CATALOG[source].tables[0]}") == before
    assert query("select count(*) from registre.fichiers where statut = 'refuse'") == [(1,)]


@pytest.mark.slow
def test_taken_and_refused_files_of_one_landing_are_both_told(data: Path) -> None:
    write(data, "services_publics_plus", "bon.csv", export(*ROWS))
    write(data, "services_publics_plus", "faux.csv", "a;b\n1;2\n")
    land("services_publics_plus")
    assert query("select fichier, statut, motif is null from registre.fichiers order by 1") == [
        ("bon.csv", "pris", True),
        ("faux.csv", "refuse", False),
    ]


GOOD = {
    "services_publics_plus": export(*ROWS),
    "ssmsi": "Code_departement;annee;indicateur;nombre\n1;2020;Homicides;3\n",
    "perceval": json.dumps(
        {
            "nb_report_day": {"2022-01-01": 5},
            "amount_of_money_day": {"2022-01-01": 5.5},
            "dpt_report_month": {"2022-01": {"1": 5}},
            "age_categories_month": {"2022-01": {"00": 5}},
        }
    ),
}


def test_a_broken_row_is_set_aside_with_its_reason_and_never_its_text(data: Path) -> None:
    secret = "camille habite ici"
    write(
        data,
        "services_publics_plus",
        "export.csv",
        export(
            ROWS[0],
            f"{secret};06/10/2022 15:07;a;b;Positif;1",
            "5;hier;a;b;Positif;1",
            "6;01/01/9999 00:00;a;b;Positif;1",
            ";06/10/2022 15:07;a;b;Positif;1",
            "7;06/10/2022 15:07;a;b;;1",
            "8;06/10/2022 15:07;trop;de;cellules;Positif;1;2",
            "1;06/10/2022 15:07;Accueil;autre texte;Négatif;1",
            ROWS[1],
        ),
    )
    landing = land("services_publics_plus")
    assert landing.total("read") == 9
    assert landing.total("quarantined") == 7
    assert [row[0] for row in experiences()] == [1, 2]
    rows = query(
        "select ligne, colonne, classe_valeur, motif from quarantaine.lignes order by 1, 2"
    )
    assert [row[:2] for row in rows] == [
        (2, "experience_id"),
        (4, "experience_id"),
        (5, "publie_at"),
        (6, "publie_at"),
        (7, "experience_id"),
        (8, "ressenti"),
        (9, None),
    ]
    assert rows[1][2] == "texte de 18 caractères"
    assert secret not in str(rows)
    assert query("select lignes_lues, lignes_retenues, lignes_ecartees from registre.fichiers") == [
        (9, 2, 7)
    ]


def test_an_open_quote_loses_no_line_after_it(data: Path) -> None:
    write(
        data,
        "services_publics_plus",
        "export.csv",
        export('9;06/10/2022 15:07;"jamais refermé;b;Positif;1', *ROWS),
    )
    landing = land("services_publics_plus")
    assert experiences() == EXPECTED
    assert landing.total("quarantined") == 1


def test_a_bad_byte_sets_its_row_aside_and_no_other(data: Path) -> None:
    content = export(*ROWS, "4;04/01/2023 10:00;Titre;caf@;Positif;1").encode()
    write(data, "services_publics_plus", "export.csv", content.replace(b"caf@", b"caf\xe9"))
    assert land("services_publics_plus").total("quarantined") == 1
    assert experiences() == EXPECTED


@pytest.mark.slow
def test_an_unknown_column_is_a_warning(data: Path) -> None:
    rows = [f"{row};inconnu" for row in (ROWS[1], ROWS[2])]
    write(data, "services_publics_plus", "e.csv", export(*rows, header=HEADER + ";Nouvelle"))
    landing = land("services_publics_plus")
    assert landing.total("new") == 2
    assert landing.warnings == ["experiences : colonne inconnue, non reprise : « Nouvelle »"]


def test_a_percevals_incomplete_month_is_set_aside(data: Path) -> None:
    document = json.loads(GOOD["perceval"])
    document["dpt_report_month"] |= {"2022-02": 5, "2022-13": {"01": 5}, "2022-03": {"zz": 5}}
    document["nb_report_day"] |= {"2022-01-02": -1, "2022-01-03": 1.5, "2022-01-04": 4}
    write(data, "perceval", "p.json", json.dumps(document))
    landing = land("perceval")
    assert landing.tables["dpt_report_month"].quarantined == 3
    assert landing.tables["nb_report_day"].quarantined == 2
    assert landing.tables["nb_report_day"].new == 2


@pytest.mark.slow
def test_real_files_drive_the_sandbox_out_of_their_source(data: Path) -> None:
    played = land("perceval")
    assert played.origin == "bac_a_sable"
    assert played.total("new") > 1_000
    write(data, "perceval", "p.json", GOOD["perceval"])
    real = land("perceval")
    assert (real.origin, real.switched) == ("reel", True)
    assert query("select _origine, count(*) from raw_perceval.nb_report_day group by 1") == [
        ("reel", 1)
    ]
    (data / "depot/perceval/p.json").unlink()
    assert land("perceval").origin == "reel"


@pytest.mark.slow
def test_real_counts(data: Path) -> None:
    drop_real_files(data)
    for source in ("services_publics_plus", "ssmsi", "structures", "perceval"):
        landing = land(source)
        assert landing.origin == "reel"
        assert landing.total("quarantined") == 0
        assert not landing.warnings
    assert query(
        "select ressenti, count(*) from raw_services_publics_plus.experiences group by 1 order by 1"
    ) == [("Neutre", 198), ("Négatif", 197), ("Positif", 204)]
    assert query("select count(*) from raw_ssmsi.delinquance_departements") == [(16_362,)]
    assert query("select count(*) from raw_structures.structures") == [(14_763,)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage", ["cut in half", "a line of noise", "a quote in every tenth line"]
)
@pytest.mark.parametrize(
    "file", ["services_publics_plus_experiences.csv", "services_publics_plus_structures.csv"]
)
def test_a_damaged_copy_loses_nothing(data: Path, file: str, damage: str) -> None:
    """Every row of the whole file is either landed as it was, or accounted for."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real open data is not at hand")
    source = "structures" if "structures" in file else "services_publics_plus"
    content = (REAL_DATA / file).read_bytes()
    lines = content.splitlines(keepends=True)
    if damage == "cut in half":
        content = content[: len(content) // 2]
    elif damage == "a line of noise":
        content = b"".join([*lines[:50], b"\xff\xfe;;;bruit\n", *lines[50:]])
    else:
        content = b"".join(
            line.replace(b";", b';"', 1) if i and i % 10 == 0 else line
            for i, line in enumerate(lines)
        )
    write(data, source, file, content)
    landing = land(source)
    assert landing.files_taken == [file]
    ((read, kept, aside),) = query(
        "select lignes_lues, lignes_retenues, lignes_ecartees from registre.fichiers"
    )
    assert read == kept + aside
    assert aside > 0
    table = CATALOG[source].tables[0]
    assert query(f"select count(*) from raw_{source}.{table}") == [(kept,)]
    # The lines that rows were read from and the lines set aside tile the file.
    (covered,) = query(
        f"select count(*) from (select _ligne from raw_{source}.{table} union all"
        " select distinct ligne from quarantaine.lignes)"
    )
    assert covered == (read,)


@pytest.mark.slow
def test_a_killed_landing_is_done_again_without_loss_or_double(data: Path) -> None:
    rows = [f"{i};06/10/2022 15:07;Titre;Texte {i};Positif;1" for i in range(1, 30_001)]
    write(data, "services_publics_plus", "export.csv", export(*rows))
    command = [sys.executable, "-m", "dlt_pipelines", "services_publics_plus"]
    for delay in (1.5, 2.5, 3.5):
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "CYBERIMPACT_DATA": str(data)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    land("services_publics_plus")
    assert query(
        "select count(*), count(distinct experience_id) from raw_services_publics_plus.experiences"
    ) == [(30_000, 30_000)]


def test_a_held_store_is_said_in_plain_words(data: Path) -> None:
    write(data, "services_publics_plus", "export.csv", export(*ROWS))
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import duckdb, time; c = duckdb.connect({str(data / 'raw.duckdb')!r});"
            " print('held', flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(LandingError, match="tenu par un autre processus") as caught:
            land("services_publics_plus")
        assert caught.value.transient
    finally:
        holder.kill()
        holder.wait()
    assert land("services_publics_plus").total("new") == 3


def test_catalog_names_every_table_of_every_source() -> None:
    for source in CATALOG.values():
        assert set(source.tables) == set(landings.doors_of(source, landings.REAL, landed=False))


def test_a_page_of_nothing_is_a_normal_case() -> None:
    door = Door("t", {"id": {"data_type": "bigint", "nullable": False}}, ["id"], "reel")
    assert list(door.admit([{"whence": "test", "records": []}])) == []
    assert door.tally.read == 0


def test_depot_reads_a_long_file_page_by_page(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("a;b\n" + "".join(f"{i};x\n" for i in range(45_000)))
    file = depot.File.identify(path)
    file.open_csv(lambda header: [])
    assert [page.num_rows for page in file.pages()] == [20_000, 20_000, 5_000]


def test_a_source_switched_off_takes_nothing(data: Path, monkeypatch) -> None:
    monkeypatch.setenv("SOURCES__SERVICES_PUBLICS_PLUS__ENABLED", "false")
    write(data, "services_publics_plus", "export.csv", export(*ROWS))
    landing = land("services_publics_plus")
    assert (landing.total("read"), landing.files_taken) == (0, [])
    assert experiences() == []


@pytest.mark.slow
def test_text_after_a_closing_quote_is_set_aside_and_nothing_else(data: Path) -> None:
    lines = [line.replace(";", ';"', 1) for line in (ROWS[1], ROWS[2])]
    fourth = "4;04/01/2023 10:00;Merci;Merci;Positif;29"
    write(data, "services_publics_plus", "export.csv", export(*lines, fourth))
    landing = land("services_publics_plus")
    assert (landing.total("read"), landing.total("quarantined")) == (3, 2)
    assert [row[0] for row in experiences()] == [4]


@pytest.mark.slow
def test_a_word_or_a_date_that_cannot_be_sets_its_row_aside(data: Path) -> None:
    rows = [ROWS[0], ROWS[1].replace("Négatif", "Enchanté"), ROWS[2].replace("2023", "2090")]
    write(data, "services_publics_plus", "export.csv", export(*rows))
    assert land("services_publics_plus").total("quarantined") == 2
    assert [row[0] for row in experiences()] == [1]


@pytest.mark.slow
def test_a_wrong_file_is_undone_by_taking_the_right_one_again(data: Path) -> None:
    write(data, "services_publics_plus", "juste.csv", export(*ROWS))
    land("services_publics_plus")
    wrong = write(
        data, "services_publics_plus", "z.csv", export(ROWS[0].replace("Positif", "Neutre"))
    )
    land("services_publics_plus")
    assert experiences() != EXPECTED
    wrong.unlink()
    land("services_publics_plus", retake=True)
    assert experiences() == EXPECTED


@pytest.mark.slow
def test_what_is_no_file_is_refused_and_the_rest_is_taken(data: Path) -> None:
    write(data, "services_publics_plus", "export.csv", export(*ROWS))
    folder = data / "depot/services_publics_plus"
    (folder / "dossier").mkdir()
    (folder / "lien.csv").symlink_to(data / "nulle-part")
    landing = land("services_publics_plus")
    assert [name for name, _ in landing.files_refused] == ["dossier", "lien.csv"]
    assert experiences() == EXPECTED


def hollow(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**30)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export.csv", bytes(2**26))


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a gigabyte": (hollow, "1024 Mo, au-delà de 512 Mo"),
    "a bomb": (zipped, "octets nuls"),
    "ten million columns": (lambda path: path.write_bytes(b";" * 10**7 + b"\n1"), "en-tête"),
    "a thousand and one columns": (
        lambda path: path.write_text(f"{HEADER}{';' * 1001}\n{ROWS[0]}{';' * 1001}\n"),
        "au-delà de 1000",
    ),
    "no line end": (lambda path: path.write_bytes(b"x" * 10**7), "en-tête"),
    "half a UTF-16 character": (lambda path: path.write_bytes(b"\xff\xfea"), "interrompu"),
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_hostile_file_is_refused_in_plain_words(tmp_path: Path, hostile: str) -> None:
    make, reason = HOSTILE[hostile]
    make(tmp_path / "hostile")
    file = depot.File.identify(tmp_path / "hostile")
    with pytest.raises(depot.RefusedFileError, match=reason):
        file.open_csv(lambda header: [] if "ID expérience" in header else ["ID expérience"])
    with pytest.raises(depot.RefusedFileError, match=rf"{reason}|JSON"):
        file.open_json(lambda document: None)


CELLS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r\x1a"))


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8), st.sampled_from(";,\t|"))
def test_what_a_tool_writes_as_csv_is_read_back(rows: list[tuple[str, str]], sign: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=sign, quoting=csv.QUOTE_ALL).writerows([("ID", "b"), *rows])
    file = depot.File.received("e.csv", written.getvalue().encode())
    file.open_csv(lambda header: [] if "ID" in header else ["ID"])
    read = [
        tuple(row) for page in file.pages() for row in zip(*page.to_pydict().values(), strict=True)
    ]
    assert [row[:2] for row in read] == rows
    assert not file.broken


@given(st.binary(max_size=400))
def test_whatever_the_bytes_a_line_is_read_set_aside_or_refused_with_its_file(body: bytes) -> None:
    file = depot.File.received("e.csv", b"ID;b\n" + body)
    try:
        file.open_csv(lambda header: [] if "ID" in header else ["ID"])
    except depot.RefusedFileError:
        return
    numbers = [n for page in file.pages() for n in page.column("_ligne").to_pylist()]
    numbers += [line for line, _ in file.broken]
    assert len(numbers) == len(set(numbers))


def test_nul_bytes_and_far_years_lose_no_line_around_them(data: Path) -> None:
    padding = "\n".join(f"{n};06/10/2022 15:07;Long;{'é' * 60};Neutre;1" for n in range(10, 90))
    rows = [
        *ROWS,
        padding,
        "4;31/12/9999 23:59;Loin;Trop loin;Neutre;1",
        "5;01/01/10000 00:00;Plus loin;Encore;Neutre;1",
        "6;06/10/2022 15:07;Nul;un\0deux;Neutre;1",
        "7;06/10/2022 15:07;Après;Toujours là;Neutre;1",
    ]
    write(data, "services_publics_plus", "export.csv", export(*rows))
    landing = land("services_publics_plus")
    kept = [row[0] for row in experiences()]
    assert kept[:3] == [1, 2, 3]
    assert 7 in kept
    assert not {4, 5} & set(kept)
    assert landing.total("new") + landing.total("quarantined") == 3 + 80 + 4


def test_names_of_files_and_headers_are_protected_too(data: Path) -> None:
    write(
        data,
        "services_publics_plus",
        "export de camille@exemple.fr.csv",
        export(*(f"{row};x" for row in ROWS[1:]), header=HEADER + ";zoe@exemple.fr"),
    )
    landing = land("services_publics_plus")
    assert landing.warnings == ["experiences : colonne inconnue, non reprise : « [courriel] »"]
    for path in data.rglob("*"):
        if path.is_file() and "depot" not in path.parts:
            assert b"exemple.fr" not in path.read_bytes(), path


@pytest.mark.slow
def test_sources_land_side_by_side_and_each_says_how_it_went(data: Path) -> None:
    write(data, "services_publics_plus", "export.csv", export(*ROWS))
    write(data, "ssmsi", "faux.csv", "a;b\n1;2\n")
    with land_together(["services_publics_plus", "ssmsi", "perceval", "structures"]) as landings:
        landed = {name: landing.result() for name, landing in landings.items()}
    assert list(landed) == ["services_publics_plus", "ssmsi", "perceval", "structures"]
    assert {name: landing.origin for name, landing in landed.items()} == {
        "services_publics_plus": "reel",
        "ssmsi": "bac_a_sable",
        "perceval": "bac_a_sable",
        "structures": "bac_a_sable",
    }
    assert landed["ssmsi"].files_refused
    assert experiences() == EXPECTED
    assert query("select count(*) from registre.prises where statut = 'ok'") == [(4,)]
    for name in landed:
        assert not land(name).changed


def test_large_answers_of_every_form_go_through_together() -> None:
    door = Door(
        "t",
        {"id": {"data_type": "bigint", "nullable": False}, "texte": {"x-personal": "keep"}},
        ["id"],
        "reel",
    )
    bodies = {
        "a": b'[{"id": 1, "texte": "un"}, {"id": "deux"}]',
        "b": b" [ ] ",
        "c": b'\xef\xbb\xbf[{"id": 3, "texte": "b\xe9b\xe9"}, {"id": 4}]',
        "d": b'{"id": 5, "texte": "\xc3\xa9t\xc3\xa9"}\n{"id": 6, "autre": 1}\n',
        "e": b"",
    }
    pages = [{"whence": name, "body": body} for name, body in bodies.items()]
    rows = [row for table in door.admit(pages) for row in table.to_pylist()]
    assert [(row["id"], row["texte"], row["_fichier"], row["_ligne"]) for row in rows] == [
        (1, "un", "a", 1),
        (4, None, "c", 2),
        (5, "été", "d", 1),
        (6, None, "d", 2),
    ]
    assert [tuple(reject.values()) for reject in door.tally.rejects.to_pylist()] == [
        ("a", 2, "id", "texte de 4 caractères", "n’est pas un nombre entier"),
        ("c", 1, "texte", "texte de 4 caractères", "caractères illisibles"),
    ]
    assert (door.tally.read, door.tally.new, door.tally.aside) == (6, 4, 2)
    assert dict(door.tally.by_whence) == {"a": [2, 1], "c": [2, 1], "d": [2, 0]}


def test_what_was_seen_is_told_as_a_dictionary_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlt_pipelines.door.RUN", 200)
    drawn = np.random.default_rng(7)
    known, seen = Known(), {}
    for _ in range(60):
        keys = drawn.choice(3_000, size=drawn.integers(0, 90), replace=False).astype(np.uint64)
        rows = drawn.integers(0, 3, len(keys)).astype(np.uint64)
        met, same = known.meet(keys, rows)
        assert met.tolist() == [key in seen for key in keys]
        assert same.tolist() == [seen.get(k) == row for k, row in zip(keys, rows, strict=True)]
        seen.update(zip(keys, rows, strict=True))
    assert len(known.runs) > 1  # else nothing was looked up in several


@pytest.mark.slow
def test_a_row_that_bears_a_whole_md5_is_the_same_row(data: Path) -> None:
    write(data, "services_publics_plus", "a.csv", export(*ROWS))
    land("services_publics_plus")
    with duckdb.connect(stores.raw()) as connection:
        connection.execute(
            "update raw_services_publics_plus.experiences set _empreinte = _empreinte || 'f0e1'"
        )
    write(data, "services_publics_plus", "b.csv", export(*ROWS, "4;04/01/2023;A;B;Neutre;75"))
    landing = land("services_publics_plus")
    assert (landing.total("new"), landing.total("changed")) == (1, 0)


def test_the_lake_holds_every_row_of_tables_written_in_turns(data: Path, monkeypatch) -> None:
    monkeypatch.setattr(lake, "ROWS", 3_000)
    counts = {"tweets": 20_000, "comptes": 10_000}
    with duckdb.connect(stores.raw()) as store:
        store.execute("create schema raw_x")
        for table, rows in counts.items():
            store.execute(f"create table raw_x.{table} as select range as id from range({rows})")
    lake.fill({"raw_x": list(counts)})
    for table, rows in counts.items():
        files = data / "lac/raw/raw_x" / table / "*.parquet"
        assert duckdb.sql(f"select count(*), count(distinct id) from '{files}'").fetchall() == [
            (rows, rows)
        ]
