"""Sources that people or services hand over as files, each from a frozen export to the store."""

from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from dlt_pipelines import stores
from dlt_pipelines.catalog import land

FROZEN = Path(__file__).parent / "frozen"


def drop(data: Path, source: str, name: str, content: str | bytes | None = None) -> None:
    """Put a file into the depot: `content`, else the frozen file of that name."""
    folder = data / "depot" / source
    folder.mkdir(parents=True, exist_ok=True)
    if content is None:
        content = (FROZEN / name).read_bytes()
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def query(sql: str) -> list[tuple]:
    with duckdb.connect(stores.raw(), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).fetchall()


def set_aside(source: str) -> list[tuple]:
    """Return (line, column, reason) of what the quarantine holds."""
    return query(
        "select ligne, colonne, motif from quarantaine.lignes"
        f" where source = '{source}' order by all"
    )


@pytest.mark.parametrize(
    "source", ["campagnes", "ma_gendarmerie", "moyens", "pre_plainte", "signalements_agreges"]
)
def test_the_sandbox_lands_once_and_whole(data: Path, source: str) -> None:
    first, second = land(source), land(source)
    assert first.origin == "bac_a_sable"
    assert first.total("new") >= 4
    assert first.total("quarantined") == 0
    assert not second.changed


# --- pre_plainte ----------------------------------------------------------------------------------


def test_pre_plainte(data: Path) -> None:
    drop(data, "pre_plainte", "pre_plainte.csv")
    landing = land("pre_plainte")
    assert (landing.total("read"), landing.total("new"), landing.warnings) == (8, 4, [])
    assert query(
        "select stats_id, stats_debut_declaration at time zone 'UTC',"
        " stats_fin_declaration at time zone 'UTC', stats_dpt_unite, stats_pers_physique,"
        " stats_pers_morale from raw_pre_plainte.declarations order by 1"
    ) == [
        ("1001", datetime(2022, 1, 3, 9, 0), datetime(2022, 1, 3, 9, 12, 30), "01", 1, 0),
        ("1002", datetime(2022, 7, 14, 20, 50), datetime(2022, 7, 14, 22, 5), "2A", 0, 1),
        ("1003", datetime(2022, 1, 5, 10, 0), None, "971", 0, 0),
        ("1004", datetime(2022, 1, 6, 10, 0), datetime(2022, 1, 6, 10, 0), None, 1, None),
    ]
    assert set_aside("pre_plainte") == [
        (6, "stats_fin_declaration", "antérieur au début de la déclaration"),
        (7, "stats_debut_declaration", "n’est pas une date lisible entre 1900 et 2100"),
        (8, "stats_pers_physique", "ni 0 ni 1"),
        (9, "stats_id", "valeur obligatoire absente"),
    ]
    # The next export tells the past again, and a little more.
    later = (FROZEN / "pre_plainte.csv").read_text(encoding="utf-8").splitlines()
    later[3] = later[3].replace(",,", ",2022-01-05 11:04:00,", 1)
    later.append("1005,2022-02-01 09:00:00,2022-02-01 09:10:00,75,1,0")
    drop(data, "pre_plainte", "ppel-fevrier.csv", "\n".join(later))
    landing = land("pre_plainte")
    assert (landing.total("new"), landing.total("changed")) == (1, 1)
    assert query("select count(*) from raw_pre_plainte.declarations") == [(5,)]


# --- ma_gendarmerie -------------------------------------------------------------------------------

PRIVATE = ("phrase-tres-privee", "PNAV", "Violences", "4525-IJ", "4526-KL", "4527-MN", "4528-OP")


def test_ma_gendarmerie(data: Path) -> None:
    drop(data, "ma_gendarmerie", "ma_gendarmerie.csv")
    landing = land("ma_gendarmerie")
    counts = landing.tables["contacts"]
    assert (counts.read, counts.new, counts.quarantined, counts.excluded) == (10, 5, 1, 4)
    assert landing.warnings == [
        "contacts : 4 lignes sensibles exclues, dont rien n’est gardé",
    ]
    assert query(
        "select date at time zone 'UTC', motif_parent, motif from raw_ma_gendarmerie.contacts"
        " order by 1"
    ) == [
        (datetime(2022, 1, 3, 7, 5), "Signalement", "Hameçonnage"),
        (datetime(2022, 1, 3, 9, 0), "Inconnu", "Motif nouveau"),
        (datetime(2022, 3, 26, 22, 30), "Victime", "Usurpation d'identité"),
        # Half past two does not exist that night in March, and comes twice that night in October.
        (datetime(2022, 3, 27, 1, 30), "Victime", "Escroquerie en ligne"),
        (datetime(2022, 10, 30, 1, 30), "Demande d'information", "Suivi de plainte"),
    ]
    assert set_aside("ma_gendarmerie") == [
        (9, "date", "n’est pas une date lisible entre 1900 et 2100")
    ]
    columns = query(
        "select column_name from duckdb_columns()"
        " where schema_name = 'raw_ma_gendarmerie' and table_name = 'contacts'"
    )
    assert {("canal",), ("element_de_qualification",)}.isdisjoint(columns)
    assert not land("ma_gendarmerie").changed


def test_what_is_sensitive_is_written_nowhere(data: Path, capfd: pytest.CaptureFixture) -> None:
    drop(data, "ma_gendarmerie", "ma_gendarmerie.csv")
    said: list[str] = []
    land("ma_gendarmerie", said.append)
    assert query("select lignes_lues, lignes_retenues, lignes_ecartees from registre.fichiers") == [
        (6, 5, 1)
    ]
    written = [
        path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and (data / "depot") not in path.parents
    ]
    assert len(written) > 3
    told = "".join((*capfd.readouterr(), *said)).encode()
    for word in PRIVATE:
        assert all(word.encode() not in content for content in (*written, told)), word
    # Kept, but not as it was: the same contact has the same pseudonym in the next export.
    assert all(b"4521-AB" not in content for content in written)
    again = "4521-AB;03/01/2022 08:05;Tchat;Victime;Piratage de compte;\n"
    drop(data, "ma_gendarmerie", "suite.csv", again)
    assert land("ma_gendarmerie").total("changed") == 1


def test_an_export_with_its_header_or_too_few_columns(data: Path) -> None:
    frozen = (FROZEN / "ma_gendarmerie.csv").read_text(encoding="utf-8")
    names = "Référence;Date;Canal;Motif parent;Motif;Élément de qualification\n"
    drop(data, "ma_gendarmerie", "avec.csv", names + frozen)
    drop(data, "ma_gendarmerie", "court.csv", "4521-AB;03/01/2022 08:05;Signalement\n")
    landing = land("ma_gendarmerie")
    assert landing.total("new") == 5
    ((name, reason),) = landing.files_refused
    assert (name, "3 colonnes au lieu de 6" in reason) == ("court.csv", True)


# --- signalements_agreges -------------------------------------------------------------------------


def test_signalements_agreges(data: Path) -> None:
    drop(data, "signalements_agreges", "signalements_agreges.csv")
    landing = land("signalements_agreges")
    assert (landing.total("read"), landing.total("new"), landing.warnings) == (16, 6, [])
    assert query(
        "select service, grain, periode, departement, public, menace, nombre, consultations"
        " from raw_signalements_agreges.releves order by _ligne"
    ) == [
        ("plainte_en_ligne", "jour", "2024-11-03", "01", "tous", "Atteinte aux biens", 31, None),
        ("plainte_en_ligne", "jour", "2024-11-03", "2A", "tous", "Atteinte aux biens", 4, None),
        ("thesee", "mois", "2024-03", "00", "particulier", "Faux site de vente", 2275, None),
        ("17cyber", "mois", "2024-12", "00", "entreprise", "Rançongiciel", 180, 5400),
        ("cybermalveillance", "annee", "2024", "00", "particulier", "Hameçonnage", 64000, 1900000),
        (
            *("cybermalveillance", "annee", "2024", "00", "entreprise", "Violation de données"),
            *(None, 706000),
        ),
    ]
    other_grain = "ne correspond pas au grain annoncé"
    assert set_aside("signalements_agreges") == [
        (8, "periode", other_grain),
        (9, "periode", other_grain),
        (10, "periode", other_grain),
        (11, "periode", other_grain),
        (12, "grain", "n’est ni jour, ni mois, ni annee"),
        (13, "service", "n’est pas un service connu"),
        (14, "departement", "valeur obligatoire absente"),
        (15, "departement", "n’est pas un code de département connu"),
        (16, "nombre", "ni nombre ni consultations"),
        (17, "nombre", "inférieur au minimum (0)"),
    ]
    # A corrected figure replaces the one told before.
    head, *_, total = (FROZEN / "signalements_agreges.csv").read_text().splitlines()[:4]
    drop(data, "signalements_agreges", "rectificatif.csv", f"{head}\n{total.replace('275', '300')}")
    assert land("signalements_agreges").total("changed") == 1
    assert query(
        "select nombre from raw_signalements_agreges.releves where service = 'thesee'"
    ) == [(2300,)]


# --- campagnes, moyens ----------------------------------------------------------------------------


def test_campagnes(data: Path) -> None:
    drop(data, "campagnes", "campagnes.csv")
    landing = land("campagnes")
    assert (landing.total("read"), landing.total("new"), landing.warnings) == (6, 2, [])
    assert query(
        "select campagne_id, debut, fin, theme, canal, departements, cout_eur"
        " from raw_campagnes.campagnes order by 1"
    ) == [
        (
            *("C1", date(2024, 3, 1), date(2024, 3, 31), "hameçonnage", "réseaux sociaux"),
            *("29, 56", 1250.0),
        ),
        (
            *("C2", date(2024, 6, 1), date(2024, 6, 1), "rodéos", "écoles (contact [telephone])"),
            *("00", None),
        ),
    ]
    assert set_aside("campagnes") == [
        (4, "fin", "antérieure au début"),
        (5, "departements", "n’est pas une liste de codes de départements"),
        (6, "fin", "valeur obligatoire absente"),
        (7, "cout_eur", "inférieur au minimum (0)"),
    ]
    assert not land("campagnes").changed


def test_moyens(data: Path) -> None:
    drop(data, "moyens", "moyens.csv")
    landing = land("moyens")
    assert (landing.total("read"), landing.total("new"), landing.warnings) == (6, 3, [])
    assert query(
        "select departement, periode, effectif, unites, budget_eur from raw_moyens.moyens"
        " order by 1, 2"
    ) == [
        ("00", "2024", 98000, None, None),
        ("01", "2024", 812, 41, 1250000.5),
        ("2A", "2024-03", 310, None, None),
    ]
    assert set_aside("moyens") == [
        (5, "periode", "n’est ni un mois ni une année"),
        (6, "periode", "n’est ni un mois ni une année"),
        (7, "effectif", "n’est pas un nombre entier"),
    ]
    assert not land("moyens").changed
