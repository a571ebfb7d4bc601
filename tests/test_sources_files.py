"""Sources that people or services hand over as files, each from a frozen export to the store."""

import json
import threading
from collections.abc import Iterator
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dlt_pipelines import stores
from dlt_pipelines.landings import LandingError, land

pytestmark = pytest.mark.slow

SOURCES = (
    "campagnes",
    "competences",
    "ma_gendarmerie",
    "moyens",
    "observatoire",
    "pre_plainte",
    "signalements_agreges",
    "unites",
)
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


@pytest.mark.parametrize("source", SOURCES)
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


# --- triage ---------------------------------------------------------------------------------------


def test_triage(data: Path) -> None:
    drop(data, "triage", "triage.csv")
    landing = land("triage")
    assert (landing.total("read"), landing.total("new"), landing.warnings) == (7, 3, [])
    rows = query(
        "select signal_id, agent, dit_at, verdict, mot from raw_triage.verdicts order by 3"
    )
    assert [row[0] for row in rows] == ["5f1c09ab", "5f1c09ab", "77aa01bc"]
    assert [row[3] for row in rows] == ["Vrai", "à suivre", "FAUX"]
    assert rows[0][4] == "Confirmé par la patrouille, rappeler le [telephone]."
    # Who said it: one pseudonym each, and the name nowhere.
    assert rows[0][1] == rows[2][1] != rows[1][1]
    assert all(len(row[1]) == 32 for row in rows)
    assert set_aside("triage") == [
        (5, "verdict", "n’est ni vrai, ni faux, ni doublon, ni à suivre"),
        (6, "signal_id", "n’est pas l’identifiant d’un signal"),
        (7, "agent", "valeur obligatoire absente"),
        (8, "debut_at", "postérieur au verdict"),
    ]
    assert not land("triage").changed


def test_triage_waits_for_its_first_file(data: Path) -> None:
    assert land("triage").total("read") == 0
    assert query("select count(*) from raw_triage.verdicts") == [(0,)]


# --- data.gouv.fr ---------------------------------------------------------------------------------

HEADER = "\ufeffCode_departement;annee;indicateur;nombre;taux_pour_mille\r\n"


class Portal:
    """A portal of one dataset, whose files are changed at will; it notes what it is asked."""

    def __init__(self) -> None:
        self.resources: list[dict[str, Any]] = []
        self.contents: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.url = ""

    def publish(self, name: str, content: str, day: str, checksum: str | None = None) -> None:
        self.contents[f"/{name}"] = content.encode()
        self.resources = [file for file in self.resources if file["id"] != name] + [
            {
                "id": name,
                "title": name,
                "format": name.rsplit(".")[-1],
                "url": f"{self.url}/{name}",
                "last_modified": f"{day}T10:00:00+00:00",
                "checksum": checksum and {"type": "sha1", "value": checksum},
            }
        ]

    def answer(self, path: str) -> bytes | None:
        self.asked.append(path)
        if path == "/api/1/datasets/621df2954fa5a3b5a023e23c/":
            return json.dumps({"resources": self.resources}).encode()
        return self.contents.get(path)


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Portal]:
    portal = Portal()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = portal.answer(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        portal.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("SOURCES__DATAGOUV__BASE_URL", f"{portal.url}/api/1")
        monkeypatch.setenv("SOURCES__SSMSI__LIVE", "true")
        yield portal
        server.shutdown()


def crimes() -> list[tuple]:
    return query(
        "select code_departement, annee, indicateur, nombre, taux_pour_mille, _origine"
        " from raw_ssmsi.delinquance_departements order by 1"
    )


def test_a_dataset_is_read_again_only_when_it_changes(
    data: Path, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__SSMSI__LIVE", "false")
    assert land("ssmsi").origin == "bac_a_sable"
    monkeypatch.setenv("SOURCES__SSMSI__LIVE", "true")

    rows = HEADER + "1;2024;Homicides;5;0,0078\r\n"
    portal.publish("donnee-dep-2023.csv", "ancien", "2025-07-01")
    portal.publish("donnee-com-2024.csv", "communes", "2026-07-10")
    portal.publish("donnee-dep-2024.pdf", "notice", "2026-07-12")
    portal.publish("donnee-dep-2024.csv", rows, "2026-07-09", "abc")
    first = land("ssmsi")
    assert (first.origin, first.switched, first.total("new")) == ("reel", True, 1)
    assert first.files_taken == ["donnee-dep-2024.csv"]
    assert first.cursor_to == "2026-07-09T10:00:00+00:00 abc"
    assert crimes() == [("01", 2024, "Homicides", 5, 0.0078, "reel")]

    portal.asked.clear()
    assert not land("ssmsi").changed
    assert len(portal.asked) == 1  # the description, and no file

    portal.publish("donnee-dep-2024.csv", rows, "2026-07-20", "abc")
    again = land("ssmsi")
    assert (again.changed, again.files_taken) == (False, [])

    portal.publish("donnee-dep-2024.csv", rows.replace(";5;", ";6;"), "2026-07-20", "def")
    mended = land("ssmsi")
    assert (mended.total("new"), mended.total("changed")) == (0, 1)
    assert crimes() == [("01", 2024, "Homicides", 6, 0.0078, "reel")]
    assert query("select count(*) from registre.fichiers where statut = 'pris'") == [(2,)]


def test_a_dataset_that_is_something_else_is_refused_then_mended(
    data: Path, portal: Portal
) -> None:
    portal.publish("donnee-dep.csv", "<html>maintenance</html>", "2026-07-09")
    refused = land("ssmsi")
    ((name, reason),) = refused.files_refused
    assert (name, refused.cursor_to) == ("donnee-dep.csv", None)
    assert "indispensables absentes" in reason
    # The same date, for a file put right in place.
    portal.publish("donnee-dep.csv", HEADER + "1;2024;Homicides;5;\r\n", "2026-07-09")
    assert land("ssmsi").total("new") == 1


def test_a_dataset_without_the_file_or_a_portal_without_the_dataset(
    data: Path, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal.publish("donnee-com.csv", "x", "2026-07-09")
    with pytest.raises(LandingError, match=r"« donnee-dep » ; il a : « donnee-com\.csv »"):
        land("ssmsi")
    monkeypatch.setenv("SOURCES__SSMSI__DATASET", "inconnu")
    with pytest.raises(LandingError, match="HTTP 404"):
        land("ssmsi")


def test_a_file_of_the_depot_and_the_dataset_land_together(data: Path, portal: Portal) -> None:
    portal.publish("donnee-dep.csv", HEADER + "1;2024;Homicides;5;\r\n", "2026-07-09")
    drop(data, "ssmsi", "ancien.csv", HEADER + "2A;2016;Homicides;3;\r\n")
    assert land("ssmsi").total("new") == 2


def test_unites(data: Path) -> None:
    drop(data, "unites", "unites.csv")
    landing = land("unites")
    assert (landing.total("read"), landing.total("new"), landing.warnings) == (5, 3, [])
    assert query(
        "select identifiant_public_unite, service, departement, code_commune_insee, telephone,"
        " longitude, latitude, horaires_accueil from raw_unites.unites order by _ligne"
    ) == [
        (
            *("9000001", "Gendarmerie - Brigade de Villeneuve-Inventée", "01", "01999"),
            *("+33 1 99 00 12 34", 6.09523, 46.27591),
            "Lundi : 8h00-12h00 14h00-18h00 Mardi : 8h00-12h00",
        ),
        ("0", "Gendarmerie - Poste provisoire A", "2A", "2A999", None, None, None, None),
        ("0", "Gendarmerie - Poste provisoire B", "971", "97199", None, None, None, None),
    ]
    assert set_aside("unites") == [
        (5, "code_commune_insee", "valeur obligatoire absente"),
        (6, "longitude", "n’est pas un nombre"),
    ]
    assert not land("unites").changed


def test_competences(data: Path) -> None:
    drop(data, "competences", "competences.csv")
    landing = land("competences")
    assert (landing.total("read"), landing.total("new"), landing.warnings) == (3, 2, [])
    assert query(
        "select code_commune, institution, id_service, codes_postaux"
        " from raw_competences.competences order by 1"
    ) == [("01999", "GN", "9000001", "01000-01001"), ("2A999", "PN", "77", "20000")]
    assert set_aside("competences") == [(4, "institution", "n’est ni GN ni PN")]


# --- observatoire ---------------------------------------------------------------------------------


def test_observatoire(data: Path, portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__OBSERVATOIRE__LIVE", "true")
    monkeypatch.setenv("SOURCES__OBSERVATOIRE__BASE_URL", f"{portal.url}/api")
    frozen = json.loads((FROZEN / "observatoire.json").read_text(encoding="utf-8"))

    def tell() -> None:
        portal.contents["/api/editions"] = json.dumps(frozen["editions"]).encode()
        for edition, procedures in frozen["procedures"].items():
            path = f"/api/procedures?editionId={edition}"
            portal.contents[path] = json.dumps(procedures).encode()

    tell()
    landing = land("observatoire")
    assert landing.warnings == []
    assert {name: (t.read, t.new, t.quarantined) for name, t in landing.tables.items()} == {
        "editions": (3, 3, 0),
        "procedures": (4, 3, 1),
        "indicateurs": (5, 4, 1),
    }
    assert query(
        "select id, edition_id, grist_identifier, jdma_identifier, volume, no_jdma"
        " from raw_observatoire.procedures order by 1"
    ) == [
        ("p1", "e1", "7", "901", 120000, "false"),
        ("p2", "e2", "7", None, None, "true"),
        ("p4", "e2", None, None, 10, None),
    ]
    # An edition mended by adding fields tells one indicator twice: the last one stands.
    assert query(
        "select procedure_id, slug, value, color, goal_reached"
        " from raw_observatoire.indicateurs order by 1, 2"
    ) == [
        ("p1", "handicap", "Non", "red", "false"),
        ("p1", "satisfaction", "8,4", "green", "true"),
        ("p2", "satisfaction", "8,1", "green", "true"),
        ("p2", "uptime", None, "gray", None),
    ]
    assert not land("observatoire").changed

    # Only the editions that may still be mended are asked again.
    frozen["editions"][2]["end_date"] = f"{date.today()}T22:00:00.000Z"
    frozen["procedures"]["e3"] = [{"id": "p5", "title": "Nouvelle", "editionId": "e3"}]
    tell()
    portal.asked.clear()
    later = land("observatoire")
    assert (later.total("new"), later.total("changed")) == (1, 1)
    assert {path for path in portal.asked if "procedures" in path} == {
        "/api/procedures?editionId=e3"
    }


@pytest.mark.live
@pytest.mark.parametrize("source", ["competences", "observatoire", "ssmsi", "structures", "unites"])
def test_the_real_portal_answers(
    data: Path,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if "live" not in request.config.option.markexpr:
        pytest.skip("asked of the real portal with -m live only")
    monkeypatch.setenv(f"SOURCES__{source.upper()}__LIVE", "true")
    landing = land(source)
    assert landing.origin == "reel"
    assert landing.files_refused == []
    assert landing.total("new") > 100
