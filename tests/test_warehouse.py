"""The warehouse: dbt builds it from a small raw store of invented rows, and its laws bite."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import duckdb
import pyarrow as pa
import pytest
from dbt.cli.main import dbtRunner

from dlt_pipelines import catalog, landings, registre
from orchestration import rights

PROJECT = Path(__file__).resolve().parents[1] / "dbt_project"
# What DuckDB alone reads, or Spark reads otherwise; the words of macros/engine say it on both.
OF_ONE_ENGINE = re.compile(
    r"\bqualify\b|::|\bvarchar\b|at time zone|range between interval|trim\([^()]+,"
    r"|([*/]|(least|greatest)\() ?\d+\.\d|\d\.\d+ ?[*/]"  # decimals, or doubles
    r"|\b(regexp_\w+|string_agg|array_to_string|date_diff|datediff|strip_accents|generate_series"
    r"|unnest|epoch|list_\w+|strftime|strptime|any_value|first|last|dayofweek|btrim)\(",
    re.IGNORECASE,
)
MARTS = {
    "fct_adequation",
    "fct_alertes_qualite",
    "fct_audience",
    "fct_audience__horaires",
    "fct_audience__mensuels",
    "fct_audience__moyens",
    "fct_audience__provenances",
    "fct_avis",
    "fct_avis__delais",
    "fct_avis__mensuels",
    "fct_avis__quotidiens",
    "fct_avis__services",
    "fct_avis__structures",
    "fct_besoins",
    "fct_besoins__couverture",
    "fct_besoins__departements",
    "fct_besoins__exemples",
    "fct_bulletins",
    "fct_campagnes",
    "fct_campagnes__periodes",
    "fct_comptes",
    "fct_contacts",
    "fct_contacts__horaires",
    "fct_contacts__quotidiens",
    "fct_delinquance",
    "fct_demarches",
    "fct_departements",
    "fct_departements__mensuels",
    "fct_fichiers",
    "fct_moyens",
    "fct_portees",
    "fct_pre_plaintes",
    "fct_publications",
    "fct_quarantaine",
    "fct_rumeurs",
    "fct_rumeurs__hebdomadaires",
    "fct_satisfaction",
    "fct_satisfaction__mensuels",
    "fct_satisfaction__trimestrielles",
    "fct_signalements",
    "fct_signalements__ages",
    "fct_signalements__departements",
    "fct_signalements__services",
    "fct_signalements__totaux",
    "fct_signaux",
    "fct_signaux__evenements",
    "fct_signaux__series",
    "fct_signaux_preuves",
    "fct_triage",
    "fct_volumes_sociaux",
    "fct_volumes_sociaux__quotidiens",
    "ref_besoins",
    "ref_communes",
    "ref_departements",
    "ref_menaces",
    "ref_regions",
    "ref_services",
    "ref_seuils",
    "ref_sources",
    "ref_structures",
    "ref_sujets",
    "ref_traitements",
}

RECEIVED = {
    "raw_geographie.regions": [
        {"code": "84", "nom": "Auvergne-Rhône-Alpes", "zone": "metro"},
        {"code": "01", "nom": "Guadeloupe", "zone": "drom"},
        {"code": "11", "nom": "Île-de-France", "zone": "metro"},
    ],
    "raw_geographie.departements": [
        {"code": "01", "nom": "Ain", "region": "84", "zone": "metro"},
        {"code": "74", "nom": "Haute-Savoie", "region": "84", "zone": "metro"},
        {"code": "75", "nom": "Paris", "region": "11", "zone": "metro"},
        {"code": "971", "nom": "Guadeloupe", "region": "01", "zone": "drom"},
    ],
    "raw_geographie.communes": [
        {
            "code": code,
            "nom": name,
            "type": kind,
            "departement": code[:3] if code.startswith("97") else code[:2],
            "region": region,
            "population": population,
            "codes_postaux": postcodes,
        }
        for code, name, kind, region, population, postcodes in (
            ("01033", "Valserhône", "commune-actuelle", "84", 16000, '["01200"]'),
            ("01205", "Ancienne commune", "commune-deleguee", "84", 9000, None),
            ("01104", "Chézery-Forens", "commune-actuelle", "84", 400, '["01410","01200"]'),
            ("74010", "Annecy", "commune-actuelle", "84", 130000, '["74000"]'),
            ("74999", "Commune de lisière", "commune-actuelle", "84", 100, '["01410"]'),
            ("97105", "Basse-Terre", "commune-actuelle", "01", 9800, '["97100"]'),
        )
    ],
    "raw_structures.structures": [
        {
            "structure_id": "numerique",
            "reseau": "Gendarmerie Nationale",
            "typologie": "Unité Numérique",
            "libelle": "Brigade inventée",
            "insee_departement": "dep75",
            "insee_ville": "com75056",
            "actif": "Oui",
        },
        {
            "structure_id": "comgend",
            "reseau": "Gendarmerie Nationale",
            "typologie": "COMGEND",
            "libelle": "Commandement de la gendarmerie de la Guadeloupe",
            "insee_departement": "dep971",
            "actif": "Oui",
        },
        {"structure_id": "mairie", "reseau": "Communes", "libelle": "Mairie", "actif": "Non"},
    ],
    "raw_services_publics_plus.experiences": [
        {  # a minute before midnight in Paris, the day before the clocks change
            "experience_id": 1,
            "publie_at": "2026-03-28 22:59:00+00",
            "titre": "Fraude à la carte",
            "description": "Ma banque attend le récépissé de ma plainte, aucune réponse. Honteux.",
            "premiere_reponse_at": "2026-03-30 07:00:00+00",
            "ressenti": "Négatif",
            "accessibilite": "Positif",
            "departement_insee": "74",
            "typologie_1": "Préfecture",
            "canaux_typologie_1": "Accueil",
            "typologie_2": "Brigade de gendarmerie",
            "code_postal_typologie_2": "01200",
        },
        {  # the same night, after midnight; a postcode that two départements share
            "experience_id": 2,
            "publie_at": "2026-03-28 23:01:00+00",
            "ressenti": "Positif",
            "statut": "Expérience avec réponse",
            "typologie_1": "Mairie",
            "code_postal_typologie_1": "01410",
            "structure_1_id": "mairie",
        },
        {  # a number where a postcode was; the structure is national
            "experience_id": 3,
            "publie_at": "2026-04-02 10:00:00+00",
            "ressenti": "Neutre",
            "code_postal_typologie_1": "1200.0",
            "structure_1_id": "numerique",
        },
        {
            "experience_id": 4,
            "publie_at": "2026-04-02 11:00:00+00",
            "ressenti": "Neutre",
            "structure_1_id": "numerique",
        },
        {
            "experience_id": 5,
            "publie_at": "2026-04-02 12:00:00+00",
            "ressenti": "Neutre",
            "structure_1_id": "comgend",
        },
    ],
    # The disagreement of the real sample: nine by day, ten by age and by département.
    "raw_perceval.nb_report_day": [
        {"day": "2022-01-31", "count": 10},
        {"day": "2022-02-01", "count": 5},
        {"day": "2022-02-02", "count": 4},
    ],
    "raw_perceval.amount_of_money_day": [{"day": "2022-02-01", "amount": 12.5}],
    "raw_perceval.dpt_report_month": [
        {"month": "2022-01", "dpt_code": "01", "count": 10},
        {"month": "2022-02", "dpt_code": "01", "count": 5},
        {"month": "2022-02", "dpt_code": "99", "count": 5},
    ],
    "raw_perceval.age_categories_month": [
        {"month": "2022-01", "age_cat": "15-24", "count": 10},
        {"month": "2022-02", "age_cat": "00", "count": 10},
    ],
    "raw_x.users": [
        {
            "id": "7",
            "username": "gendarmerie_inventee",
            "departement_code": "74",
            "observed_on": day,
            "observed_at": f"{day} 06:00:00+00",
            "followers_count": followers,
        }
        for day, followers in (("2026-03-01", 100), ("2026-03-04", 90))
    ],
    "raw_x.tweet_counts": [
        {
            "sujet": "crue",
            "start_at": f"2026-03-28 {hour}:00:00+00",
            "end_at": f"2026-03-28 {hour}:59:59+00",
            "post_count": count,
        }
        for hour, count in ((22, 3), (23, 4))
    ],
    # One service, two threats of its own that are one of ours, at two grains.
    "raw_signalements_agreges.releves": [
        {
            "service": service,
            "grain": grain,
            "periode": period,
            "departement": code,
            "public": "tous",
            "menace": threat,
            "nombre": count,
        }
        for service, grain, period, code, threat, count in (
            ("plainte_en_ligne", "jour", "2024-11-03", "01", "Faux vendeur", 3),
            ("plainte_en_ligne", "jour", "2024-11-03", "00", "Faux acheteur", 2),
            ("thesee", "mois", "2024-11", "00", "Faux vendeur", 70),
            ("thesee", "mois", "2024-11", "00", "Faux acheteur", 30),
        )
    ],
    "raw_pre_plainte.declarations": [
        {
            "stats_id": "1",
            "stats_debut_declaration": "2025-10-25 23:30:00+00",
            "stats_fin_declaration": "2025-10-26 01:30:00+00",
            "stats_dpt_unite": "74",
            "stats_pers_physique": 1,
            "stats_pers_morale": 0,
        },
        {
            "stats_id": "2",
            "stats_debut_declaration": "2025-10-26 10:00:00+00",
            "stats_pers_physique": 1,
            "stats_pers_morale": 1,
        },
    ],
    # The night in October when the clocks of Paris strike two twice; a reason nobody mapped.
    "raw_ma_gendarmerie.contacts": [
        {"reference": f"r{rank}", "date": moment, "motif_parent": parent, "motif": reason}
        for rank, (moment, parent, reason) in enumerate(
            (
                ("2025-10-26 00:10:00+00", "VICTIME", "Hameçonnage"),
                ("2025-10-26 00:50:00+00", "Signalement", "Hameçonnage"),
                ("2025-10-26 01:10:00+00", "Signalement", "hameçonnage"),
            )
        )
    ],
    "raw_piano.visits": [
        {
            "site_id": "9",
            "site_level2": "tchat",
            "date": "2026-03-01",
            "visit_hour": hour,
            "m_visits": visits,
        }
        for hour, visits in (("0", 3), ("23", 4), ("N/A", 1))
    ],
    "raw_piano.pages": [
        {
            "site_id": "9",
            "site_level2": "tchat",
            "date": "2026-03-01",
            "page_full_name": "tchat::accueil",
            "m_page_loads": 21,
        }
    ],
    "raw_piano.geo": [
        {
            "site_id": "9",
            "site_level2": "tchat",
            "month": "2026-03",
            "geo_country": country,
            "geo_region": region,
            "geo_city": city,
            "m_visits": visits,
        }
        for country, region, city, visits in (
            ("France", "Auvergne-rhone-alpes", "Annecy", 4),
            ("France", "Auvergne-rhone-alpes", "N/A", 1),
            ("France", "N/A", "N/A", 2),
            ("Belgium", "N/A", "N/A", 1),
        )
    ],
    "raw_matomo.sites": [{"idsite": 1, "name": "Site inventé"}],
    "raw_matomo.visits": [
        {"idsite": site, "date": "2026-03-01", "nb_visits": 10, "nb_uniq_visitors": 9}
        for site in (1, 2)
    ],
    "raw_matomo.pages": [
        {"idsite": 1, "date": "2026-03-01", "label": label, "nb_hits": hits, "nb_visits": 8}
        for label, hits in (("/", 14), ("/crues", 6))
    ],
    "raw_ssmsi.delinquance_departements": [
        {
            "code_departement": "971",
            "annee": 2024,
            "indicateur": "Cambriolages de logement",
            "unite_de_compte": "Infraction",
            "nombre": 12,
        }
    ],
    "registre.sources": [
        {
            "source": source.name,
            "libelle": source.label,
            "pilier": source.pillar,
            "fraicheur_max_heures": 48,
            "licence": source.licence,
            "url": source.url,
        }
        for source in catalog.CATALOG.values()
    ],
    "registre.fichiers": [
        {
            "source": "perceval",
            "empreinte": "0",
            "fichier": "abime.json",
            "statut": "refuse",
            "motif": "le document JSON n’est pas celui de Percev@l",
            "octets": 3,
            "origine": "reel",
            "prise_at": "2026-04-01 00:00:00+00",
        }
    ],
    "quarantaine.lignes": [
        {
            "source": "ssmsi",
            "table_name": "delinquance_departements",
            "fichier": "delinquance.csv",
            "ligne": line,
            "colonne": "annee",
            "classe_valeur": "texte de 3 caractères",
            "motif": "année illisible",
            "origine": "reel",
            "prise_at": "2026-04-01 00:00:00+00",
        }
        for line in (3, 8)
    ],
}


def create_raw(path: Path, received: dict[str, list[dict[str, Any]]]) -> None:
    """Make the raw store as the door declares it, with the rows of `received`."""
    types = {"text": "text", "timestamp": "timestamptz"}
    with duckdb.connect(str(path)) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(registre._TABLES)
        for source in catalog.CATALOG.values():
            connection.execute(f"create schema raw_{source.name}")
            for table, door in landings.doors_of(source, landings.REAL, landed=False).items():
                kept = [f"{c.name} {types.get(c.data_type, c.data_type)}" for c in door.kept]
                connection.execute(
                    f"create table raw_{source.name}.{table} ({', '.join(kept)}, _fichier text,"
                    " _ligne bigint, _empreinte text, _origine text default 'reel',"
                    " _dlt_load_id text)"
                )
        for table, rows in received.items():
            for row in rows:
                marks = ", ".join("?" * len(row))
                connection.execute(
                    f"insert into {table} ({', '.join(row)}) values ({marks})", list(row.values())
                )


class Dbt:
    """dbt in this process, on the stores of a folder; the project is parsed once."""

    def __init__(self, project: Path, target: Path) -> None:
        self.manifest = target / "manifest.json"
        self.flags = ["--project-dir", str(project), "--profiles-dir", str(project), "--quiet"]
        self.flags += ["--target-path", str(target)]
        self.runner = dbtRunner()
        self.runner = dbtRunner(manifest=self._invoke("parse"))

    def _invoke(self, *arguments: str) -> Any:
        done = self.runner.invoke([*arguments, *self.flags])
        assert done.exception is None, done.exception
        return done.result

    def __call__(self, data: Path, *arguments: str) -> dict[str, str]:
        """Return the status of each node that ran, by name."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CYBERIMPACT_DATA", str(data))
            results = self._invoke(*arguments).results
        return {result.node.name: str(result.status) for result in results}


@pytest.fixture(scope="module")
def dbt(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    return Dbt(PROJECT, tmp_path_factory.mktemp("target"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    create_raw(folder / "raw.duckdb", RECEIVED)
    return folder


@pytest.fixture(scope="module")
def built(dbt: Dbt, data: Path) -> dict[str, str]:
    return dbt(data, "build")


@pytest.fixture
def ask(built: dict[str, str], data: Path) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        yield lambda sql: connection.execute(sql).fetchall()


@pytest.mark.slow
def test_what_a_source_gets_wrong_is_warned_and_blocks_nothing(built: dict[str, str]) -> None:
    assert set(built.values()) == {"success", "pass", "warn"}
    warned = sorted(name for name, status in built.items() if status == "warn")
    assert [name.split("_departement_code")[0] for name in warned] == [
        "assert_every_demand_has_a_need",
        "assert_every_reason_is_classed",
        "assert_sources_agree_across_grains",
        "relationships_stg_perceval__signalements_departements",
    ]


@pytest.mark.slow
def test_marts_are_those_promised_and_nothing_lies_elsewhere(ask: Callable[[str], Any]) -> None:
    tables = ask("select table_schema, table_name from information_schema.tables")
    assert {table for schema, table in tables if schema == "marts"} == MARTS
    assert {schema for schema, _ in tables} == {"staging", "intermediate", "marts", "seeds"}


@pytest.mark.slow
def test_an_avis_is_placed_dated_and_answered(ask: Callable[[str], Any]) -> None:
    assert [
        (str(day), *rest)
        for day, *rest in ask(
            "select jour, departement_code, geo_precision, is_perimetre_gendarmerie, is_repondu,"
            " delai_reponse_jours, ressenti, accessibilite, service_label, canaux"
            " from marts.fct_avis order by avis_id"
        )
    ] == [
        (
            *("2026-03-28", "74", "departement_usager", True, True, 2),
            *("negatif", "positif", "Préfecture", "Accueil"),
        ),
        ("2026-03-29", None, "inconnu", False, True, None, "positif", None, "Mairie", None),
        ("2026-04-02", "01", "code_postal", True, False, None, "neutre", None, None, None),
        ("2026-04-02", None, "inconnu", True, False, None, "neutre", None, None, None),
        ("2026-04-02", "971", "structure", True, False, None, "neutre", None, None, None),
    ]


@pytest.mark.slow
def test_answers_are_counted_once_by_question(ask: Callable[[str], Any]) -> None:
    assert ask(
        "select question, reponse, sum(avis_count) from marts.fct_satisfaction"
        " group by all order by all"
    ) == [
        ("accessibilite", "positif", 1),
        ("ressenti", "negatif", 1),
        ("ressenti", "neutre", 3),
        ("ressenti", "positif", 1),
    ]


@pytest.mark.slow
def test_a_source_that_contradicts_itself_is_shown(ask: Callable[[str], Any]) -> None:
    assert ask(
        "select strftime(mois, '%Y-%m'), jours_count, departements_count, ages_count,"
        " is_concordant from marts.fct_signalements__totaux where source = 'perceval'"
        " order by mois"
    ) == [("2022-01", 10, 10, 10, True), ("2022-02", 9, 10, 10, False)]
    # The code that is no département is counted, under none.
    assert ask(
        "select departement_code, signalements_count from intermediate.int_signalements__mensuels"
        " where mois = '2022-02-01' order by 1 nulls last"
    ) == [("01", 5), (None, 5)]


@pytest.mark.slow
def test_a_day_begins_at_midnight_in_paris(ask: Callable[[str], Any]) -> None:
    assert ask(
        "select strftime(jour, '%m-%d'), messages_count"
        " from marts.fct_volumes_sociaux__quotidiens order by 1"
    ) == [("03-28", 3), ("03-29", 4)]


@pytest.mark.slow
def test_reports_of_every_service_keep_their_grain(ask: Callable[[str], Any]) -> None:
    assert ask(
        "select source, menace, strftime(jour, '%Y-%m-%d'), signalements_count, montant_eur"
        " from intermediate.int_signalements__quotidiens where source != 'perceval' order by all"
    ) == [
        ("pre_plainte", "non_precisee", "2025-10-26", 2, None),
        ("signalements_agreges", "escroquerie_en_ligne", "2024-11-03", 5, None),
    ]
    assert ask(
        "select source, strftime(mois, '%Y-%m'), departement_code, signalements_count"
        " from intermediate.int_signalements__mensuels where source != 'perceval' order by all"
    ) == [
        ("pre_plainte", "2025-10", "74", 1),
        ("pre_plainte", "2025-10", None, 1),
        ("signalements_agreges", "2024-11", "01", 3),
        ("signalements_agreges", "2024-11", None, 2),
    ]
    assert ask(
        "select service, grain, strftime(debut_le, '%Y-%m-%d'), departement_code,"
        " signalements_count from intermediate.int_signalements__services order by all"
    ) == [
        ("plainte_en_ligne", "jour", "2024-11-01", "01", 3),
        ("plainte_en_ligne", "jour", "2024-11-01", None, 2),
        ("thesee", "mois", "2024-11-01", None, 100),
    ]


@pytest.mark.slow
def test_a_pre_plainte_lasts_across_midnight_and_the_change_of_clocks(
    ask: Callable[[str], Any],
) -> None:
    assert ask(
        "select type_personne, strftime(mois, '%Y-%m'), is_terminee, declarations_count,"
        " duree_secondes, duree_mediane_secondes"
        " from intermediate.int_pre_plaintes__mensuelles order by 1 desc"
    ) == [
        ("physique", "2025-10", True, 1, 7200, 7200.0),
        ("inconnu", "2025-10", False, 1, None, None),
    ]


@pytest.mark.slow
def test_a_threat_that_nobody_mapped_stops_the_reports(
    dbt: Dbt, built: dict[str, str], data: Path, tmp_path: Path
) -> None:
    for store in ("raw.duckdb", "warehouse.duckdb"):
        shutil.copy(data / store, tmp_path)
    with duckdb.connect(str(tmp_path / "raw.duckdb")) as connection:
        connection.execute("update raw_signalements_agreges.releves set menace = 'Autre'")
    done = dbt(tmp_path, "build", "--select", "+fct_signalements__services")
    assert "fail" in {status for name, status in done.items() if name.startswith("relationships")}
    assert done["fct_signalements__services"] == "skipped"


@pytest.mark.slow
def test_an_unknown_reason_is_counted_as_such(ask: Callable[[str], Any]) -> None:
    assert ask(
        "select categorie, motif, contacts_count from intermediate.int_contacts__mensuels"
        " order by all"
    ) == [
        ("non_classe", "Hameçonnage", 1),
        ("signalement", "Hameçonnage", 1),
        ("signalement", "hameçonnage", 1),
    ]
    # The two hours of the same name are one on the clocks of Paris.
    assert ask("select heure, contacts_count from intermediate.int_contacts__horaires") == [(2, 3)]


@pytest.mark.slow
def test_a_small_count_of_persons_is_null_and_what_would_give_it_back_too(
    ask: Callable[[str], Any],
) -> None:
    assert ask(
        "select strftime(jour, '%Y-%m-%d'), signalements_count, montant_eur, is_masque"
        " from marts.fct_signalements where source = 'perceval' order by jour"
    ) == [
        ("2022-01-31", 10, None, False),
        ("2022-02-01", None, None, True),
        ("2022-02-02", None, None, True),
    ]
    assert ask("select contacts_count, is_masque from marts.fct_contacts") == [(None, True)] * 3
    assert (
        ask(
            "select declarations_count, duree_secondes, duree_mediane_secondes"
            " from marts.fct_pre_plaintes"
        )
        == [(None, None, None)] * 2
    )


@pytest.mark.slow
def test_a_month_that_went_on_when_the_run_started_is_not_published(
    dbt: Dbt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_raw(
        tmp_path / "raw.duckdb",
        {
            "raw_perceval.nb_report_day": [
                {"day": day, "count": 50} for day in ("2022-01-31", "2022-02-01")
            ]
        },
    )
    # The run goes on after midnight: every query is of another month than its start.
    started = Mock(now=lambda tz: datetime(2022, 2, 28, 22, 59, 59, tzinfo=UTC).astimezone(tz))
    monkeypatch.setattr("dbt.tracking.datetime", started)
    done = dbt(tmp_path, "build", "--select", "+int_cellules__retenues")
    assert done["assert_every_whole_month_is_counted_once"] == "pass"
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        days = connection.execute("select jour from intermediate.int_signalements__quotidiens")
        assert [str(day) for (day,) in days.fetchall()] == ["2022-01-31"]


@pytest.mark.slow
def test_who_came_since_the_last_publication_is_not_told(dbt: Dbt, tmp_path: Path) -> None:
    def declare(by_department: dict[str, int]) -> None:
        with duckdb.connect(str(tmp_path / "raw.duckdb")) as connection:
            for code, count in by_department.items():
                connection.execute(
                    "insert into raw_pre_plainte.declarations (stats_id, stats_debut_declaration,"
                    " stats_dpt_unite, stats_pers_physique) select uuid()::text,"
                    " timestamptz '2022-01-10 10:00:00+00', ?, 1 from range(?)",
                    [code, count],
                )

    def publish() -> list[tuple[Any, ...]]:
        marts = ["fct_signalements__departements", "fct_signalements"]
        dbt(tmp_path, "run", "--select", *(f"+{mart}" for mart in marts))
        published = tmp_path / "published" / "cyberimpact.duckdb"
        published.unlink(missing_ok=True)
        published.parent.mkdir(exist_ok=True)
        with duckdb.connect(str(published)) as connection:
            connection.execute(f"attach '{tmp_path / 'warehouse.duckdb'}' as w (read_only)")
            connection.execute("create schema marts")
            for mart in marts:
                connection.execute(f"create table marts.{mart} as from w.marts.{mart}")
            return connection.execute(
                "select departement_code, signalements_count"
                " from marts.fct_signalements__departements"
                " union all select 'jour', signalements_count from marts.fct_signalements"
                " order by 1"
            ).fetchall()

    create_raw(
        tmp_path / "raw.duckdb",
        {table: rows for table, rows in RECEIVED.items() if table.startswith("raw_geographie")},
    )
    dbt(tmp_path, "seed")
    declare({"01": 30, "74": 20, "75": 3, "971": 7})
    first = publish()
    assert first == [("01", 30), ("74", 20), ("75", None), ("971", None), ("jour", 60)]
    declare({"75": 1})
    assert publish() == first
    declare({"74": 2})
    assert publish() == first
    declare({"01": 10, "74": 8, "75": 6, "971": 9})
    assert publish() == [("01", 40), ("74", 30), ("75", 10), ("971", 16), ("jour", 96)]


@pytest.mark.slow
def test_signals_of_a_closed_past_stand_whatever_the_source_says_later(
    dbt: Dbt, tmp_path: Path
) -> None:
    first = date(2026, 1, 5)
    visits = [300 + 7 * (day * day % 11) for day in range(130)]
    visits[100] = visits[101] = 2000
    received = {table: rows for table, rows in RECEIVED.items() if table.startswith("registre")}
    received["raw_matomo.visits"] = [
        {"idsite": 1, "date": first + timedelta(day), "nb_visits": count, "nb_uniq_visitors": 1}
        for day, count in enumerate(visits)
    ]
    create_raw(tmp_path / "raw.duckdb", received)
    followed = ["int_series__daily", "int_series__jours_juges", "int_sources__defauts"]
    followed += ["int_audience__unioned", "int_signaux__suivis", "fct_signaux__evenements"]

    def until(day: int, *more: str, whole: bool = False) -> list[tuple[Any, ...]]:
        today = ["--vars", f"{{aujourd_hui: {first + timedelta(day)}}}"]
        today += ["--full-refresh"] if whole else []
        done = dbt(tmp_path, "run", "--select", *more, *followed, *today)
        assert set(done.values()) == {"success"}
        with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(
                "select evenement, evenement_at, etat from marts.fct_signaux__evenements"
                " order by evenement_at, evenement"
            ).fetchall()

    dbt(tmp_path, "seed")
    assert until(100, "+int_signaux__suivis") == []
    opened = until(102)
    assert [event for event, *_ in opened] == ["ouvert"]

    def tell(day: int, count: int) -> None:
        with duckdb.connect(str(tmp_path / "raw.duckdb")) as connection:
            connection.execute(
                "update raw_matomo.visits set nb_visits = ? where date = ?",
                [count, first + timedelta(day)],
            )

    # Late by less than 14 days, a count is heard; later, it is not.
    tell(101, 9000)
    tell(40, 9000)
    story = until(120)
    assert story[:1] == opened
    assert [event for event, *_ in story][-1] == "clos"
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        kept = connection.execute(
            "select jour, observe_count from intermediate.int_series__daily"
            " where observe_count > 1000 order by jour"
        ).fetchall()
    assert kept == [(first + timedelta(100), 2000), (first + timedelta(101), 9000)]
    assert until(129) == story
    # One run over what was known in time says the same.
    tell(40, visits[40])
    assert until(129, whole=True) == story


@pytest.mark.slow
def test_what_was_read_in_a_text_outlives_it_and_not_its_post(
    dbt: Dbt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYBERIMPACT_DATA", str(tmp_path))
    told = "Carte bancaire piratée à Valserhône dans l'Ain, comment signaler cette fraude ?"
    received = {table: rows for table, rows in RECEIVED.items() if table.startswith("raw_geo")}
    received["raw_mastodon.statuses"] = [
        {"uri": uri, "sujet": "arnaque", "created_at": f"2026-{day} 10:00:00+00", "text": told}
        for uri, day in (("vieux", "02-01"), ("efface-par-son-auteur", "02-02"), ("neuf", "03-30"))
    ]
    create_raw(tmp_path / "raw.duckdb", received)

    followed = ("int_messages__demandes", "int_series__daily")

    def read(*models: str) -> tuple[list[tuple[Any, ...]], ...]:
        done = dbt(tmp_path, "run", "--select", *models, "--vars", "{aujourd_hui: 2026-04-01}")
        assert set(done.values()) == {"success"}
        with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
            return tuple(
                connection.execute(f"{query} order by all").fetchall()
                for query in (
                    "from intermediate.int_messages__demandes",
                    "select serie_id, jour, observe_count from intermediate.int_series__daily"
                    " where observe_count > 0",
                    "select distinct message_id from intermediate.int_messages__analyses"
                    " where mots is not null",
                )
            )

    whole = [f"+{model}" for model in followed]
    dbt(tmp_path, "seed")
    demands, counts, quoted = read(*whole)
    assert {(row[0], row[5]) for row in demands} == {
        (f"mastodon:{uri}", "01") for uri in ("vieux", "efface-par-son-auteur", "neuf")
    }
    assert len(quoted) == 3
    with duckdb.connect(str(tmp_path / "raw.duckdb")) as connection:
        connection.execute("update raw_mastodon.statuses set text = null where uri = 'vieux'")
        connection.execute("delete from raw_mastodon.statuses where starts_with(uri, 'efface')")
    rights._unmake("warehouse")
    assert b"efface-par-son-auteur" not in (tmp_path / "warehouse.duckdb").read_bytes()
    # Counts are nobody's: they stay; what was read in a post leaves with it.
    left = [row for row in demands if row[0] != "mastodon:efface-par-son-auteur"]
    dbt(tmp_path, "seed")
    assert read(*whole) == (left, counts, [("mastodon:neuf",)])
    again = read("int_lieux__cites", "int_messages__analyses+1", *followed)
    assert again == (left, counts, [("mastodon:neuf",)])


NOW = datetime.now(UTC).replace(microsecond=0)


def posts(
    subject: str, moments: list[datetime], text: str, loaded: datetime
) -> list[dict[str, Any]]:
    return [
        {
            "sujet": subject,
            "uri": f"{subject}/{moment.isoformat()}/{rank}",
            "indexed_at": moment,
            "text": f"{text} ({rank})",
            "langs": "fr",
            "like_count": 1,
            "_dlt_load_id": f"{loaded.timestamp():.3f}",
        }
        for rank, moment in enumerate(moments)
    ]


def insert(path: Path, table: str, rows: list[dict[str, Any]]) -> None:
    with duckdb.connect(str(path)) as connection:
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        connection.register("rows", pa.table(columns))
        connection.execute(f"insert into {table} by name from rows")


@pytest.mark.slow
def test_what_the_minute_adds_is_what_a_whole_run_makes(dbt: Dbt, tmp_path: Path) -> None:
    raw = tmp_path / "raw.duckdb"
    kept = ("registre.", "raw_geographie.")
    create_raw(raw, {name: rows for name, rows in RECEIVED.items() if name.startswith(kept)})
    before = NOW - timedelta(hours=2)
    hours = [before - timedelta(hours=hour) for hour in range(400)]
    calm = [
        hour - timedelta(minutes=minute) for hour in hours for minute in range(hour.hour % 3 + 2)
    ]
    insert(raw, "raw_bluesky.posts", posts("panique", calm, "Rien à signaler à Annecy", before))
    insert(raw, "raw_bluesky.posts", posts("arnaque", calm[::7], "Un faux conseiller", before))
    dbt(tmp_path, "seed")
    made = set(dbt(tmp_path, "run", "--select", "+tag:minute", "+tag:heure").values())
    assert made == {"success"}

    def told(table: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(f"from {table} order by all").fetchall()

    # A crowd, a post that gathered likes and was mended, and a lull on the other subject.
    crowd = [NOW - timedelta(seconds=second) for second in range(120)]
    insert(raw, "raw_bluesky.posts", posts("panique", crowd, "Foule en panique à Annecy", NOW))
    with duckdb.connect(str(raw)) as connection:
        connection.execute(
            "update raw_bluesky.posts set like_count = 50, text = 'Panique à Basse-Terre',"
            " _dlt_load_id = ? where sujet = 'arnaque' and indexed_at = ?",
            [f"{NOW.timestamp():.3f}", calm[0]],
        )
    calm_publications = told("marts.fct_publications")
    asked = ["run", "--select", "tag:minute", "tag:heure"]
    assert set(dbt(tmp_path, *asked, "--vars", "{suivi: true}").values()) == {"success"}
    tables = [
        f"{node['schema']}.{node['name']}"
        for node in json.loads(dbt.manifest.read_text())["nodes"].values()
        if {"minute", "heure"} & set(node.get("tags", []))
    ]
    assert len(tables) == 14
    added = {table: told(table) for table in tables}
    assert added["marts.fct_publications"] != calm_publications
    assert [row[5] for row in added["marts.fct_signaux"]] == ["panique"]
    assert "971" in {row[1] for row in added["intermediate.int_lieux__cites"]}

    # What was emptied leaves with the next whole run, which says the same of all the rest.
    assert set(dbt(tmp_path, *asked).values()) == {"success"}
    assert {table: told(table) for table in tables} == added
    assert set(dbt(tmp_path, *asked, "--full-refresh").values()) == {"success"}
    assert {table: told(table) for table in tables} == added
    with duckdb.connect(str(raw)) as connection:
        connection.execute("delete from raw_bluesky.posts where sujet = 'arnaque'")
    assert set(dbt(tmp_path, *asked).values()) == {"success"}
    assert "971" not in {row[1] for row in told("intermediate.int_lieux__cites")}
    assert {row[1] for row in told("marts.fct_publications")} == {"panique"}


PERSONS = ("perceval", "pre_plainte", "ma_gendarmerie", "jedonnemonavis", "signalements_agreges")


def exposed(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the marts that break the law of small cells, with what they break."""
    nodes = manifest["nodes"]

    def nature(node: dict[str, Any]) -> str | None:
        declared = node["config"]["meta"].get("petites_cellules") or {}
        return declared.get("nature")

    def reaches_persons(unique_id: str) -> bool:
        node = nodes.get(unique_id)
        if node is None or node["resource_type"] == "seed":
            return False
        if node["name"].startswith("stg_"):
            return node["name"].removeprefix("stg_").split("__")[0] in PERSONS
        if nature(node) in ("protege", "public"):
            return False
        return any(map(reaches_persons, node["depends_on"]["nodes"]))

    seed = PROJECT / "seeds/ref_tableaux.csv"
    listed = {line.split(",")[1] for line in seed.read_text("utf-8").splitlines()[1:]}
    found = {}
    for node in nodes.values():
        if node["resource_type"] != "model" or node["schema"] != "marts":
            continue
        name, kind = node["name"], nature(node)
        declared = node["config"]["meta"].get("petites_cellules") or {}
        if kind not in ("protege", "derive", "public", "technique", "arrondi"):
            found[name] = "no declaration"
        elif kind in ("public", "technique", "arrondi") and not declared.get("raison"):
            found[name] = "no reason"
        elif (kind == "protege") != (name in listed):
            found[name] = "ref_tableaux says otherwise"
        elif kind == "derive" and any(map(reaches_persons, node["depends_on"]["nodes"])):
            found[name] = "reads persons unprotected"
    return found


def test_every_mart_says_how_it_keeps_small_counts(dbt: Dbt) -> None:
    manifest = json.loads(dbt.manifest.read_text())
    assert exposed(manifest) == {}
    nodes = {node["name"]: node for node in manifest["nodes"].values()}
    # The law can be broken.
    nodes["fct_audience"]["config"]["meta"] = {}
    nodes["fct_comptes"]["config"]["meta"]["petites_cellules"] = {"nature": "public"}
    nodes["fct_delinquance"]["config"]["meta"]["petites_cellules"] = {"nature": "protege"}
    nodes["ref_sources"]["config"]["meta"]["petites_cellules"] = {"nature": "derive"}
    assert set(exposed(manifest)) == {
        "fct_audience", "fct_comptes", "fct_delinquance", "ref_sources",
    }  # fmt: skip


@pytest.mark.slow
def test_visits_and_views_are_counted_where_they_add_up(ask: Callable[[str], Any]) -> None:
    assert ask(
        "select site_id, site_label, page, visites_count, pages_vues_count"
        " from marts.fct_audience order by source desc, site_id, page nulls first"
    ) == [
        # The visit whose hour Piano lost is there.
        ("9/tchat", "tchat", None, 8, None),
        ("9/tchat", "tchat", "tchat::accueil", None, 21),
        ("1", "Site inventé", None, 10, None),
        ("1", "Site inventé", "/", None, 14),
        ("1", "Site inventé", "/crues", None, 6),
        # A site that nobody described is counted under its number.
        ("2", "2", None, 10, None),
    ]
    # Too few visits name no town; they stay with their region, and every total stands.
    assert ask(
        "select region_recue, region_code, ville, visites_count"
        " from marts.fct_audience__provenances where pays = 'France' order by visites_count"
    ) == [(None, None, None, 2), ("Auvergne-rhone-alpes", "84", None, 5)]
    assert ask(
        "select heure, visites_count from marts.fct_audience__horaires order by heure nulls first"
    ) == [(None, 1), (0, 3), (23, 4)]


@pytest.mark.slow
def test_a_message_is_read_with_the_words_that_decide(ask: Callable[[str], Any]) -> None:
    assert ask(
        "select famille, jour, departement_code from intermediate.int_messages__unioned"
    ) == [("avis", date(2026, 3, 28), "74")]
    assert ask(
        "select besoin_code, mots, methode_version from intermediate.int_messages__besoins"
        " order by score desc"
    ) == [
        ("preuve_de_plainte", "récépissé* plainte, récépissé, plainte*", "lexique 2"),
        ("fraude_carte", "fraude carte, banque", "lexique 2"),
    ]
    assert ask("select theme_code from intermediate.int_messages__themes") == [("absence_reponse",)]
    assert ask("select tonalite, methode_version from intermediate.int_messages__qualifies") == [
        ("negatif", "lexique 1")
    ]
    # Too few messages to learn from: it is said, and the lexicon serves.
    assert ask(
        "select methode, f_mesure, lignes_count, is_retenue from intermediate.int_messages__modeles"
    ) == [("lexique", None, 1, True)]


@pytest.mark.slow
def test_references_add_up(ask: Callable[[str], Any]) -> None:
    assert ask("select * from marts.ref_departements where departement_code in ('01', '971')") == [
        ("01", "Ain", "84", "Auvergne-Rhône-Alpes", 16400, False, True),
        ("971", "Guadeloupe", "01", "Guadeloupe", 9800, True, True),
    ]
    assert ask("select codes_postaux from marts.ref_communes where commune_code = '01104'") == [
        ("01200,01410",)
    ]
    assert ask(
        "select lignes_count, strftime(derniere_donnee_le, '%Y-%m-%d'), lignes_ecartees_count,"
        " fichiers_refuses_count from marts.ref_sources where source in ('perceval', 'ssmsi')"
        " order by source"
    ) == [(9, "2022-02-02", 0, 1), (1, "2024-12-31", 2, 0)]
    assert ask("select lignes_count, classe_valeur from marts.fct_quarantaine") == [
        (2, "texte de 3 caractères")
    ]


@pytest.mark.slow
def test_an_empty_store_builds(dbt: Dbt, tmp_path: Path) -> None:
    create_raw(tmp_path / "raw.duckdb", {})
    assert set(dbt(tmp_path, "build").values()) == {"success", "pass"}


@pytest.mark.slow
def test_a_checkout_that_moved_reads_its_own_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration import warehouse

    monkeypatch.setenv("CYBERIMPACT_DATA", str(tmp_path / "data"))
    former = tmp_path / "former"
    shutil.copytree(warehouse.PROJECT, former)
    with monkeypatch.context() as patched:
        patched.setattr(warehouse, "PROJECT", former)
        warehouse._runner.__wrapped__()
    shutil.rmtree(former)
    nodes = warehouse._runner.__wrapped__().manifest.nodes.values()
    seeds = [node.root_path for node in nodes if node.resource_type == "seed"]
    assert set(seeds) == {str(warehouse.PROJECT)}


@pytest.mark.slow
def test_a_total_that_differs_from_raw_is_an_error(
    dbt: Dbt, built: dict[str, str], data: Path, tmp_path: Path
) -> None:
    law = "assert_every_received_row_is_counted_once"
    for store in ("raw.duckdb", "warehouse.duckdb"):
        shutil.copy(data / store, tmp_path)
    with duckdb.connect(str(tmp_path / "raw.duckdb")) as connection:
        connection.execute("update raw_perceval.nb_report_day set count = count + 1")
    assert dbt(tmp_path, "test", "--select", law) == {law: "fail"}


@pytest.mark.slow
def test_bad_staging_stops_its_descendants(
    dbt: Dbt, built: dict[str, str], data: Path, tmp_path: Path
) -> None:
    for store in ("raw.duckdb", "warehouse.duckdb"):
        shutil.copy(data / store, tmp_path)
    with duckdb.connect(str(tmp_path / "raw.duckdb")) as connection:
        connection.execute(
            "insert into raw_perceval.nb_report_day from raw_perceval.nb_report_day limit 1"
        )
    done = dbt(tmp_path, "build", "--select", "+fct_signalements")
    assert done["unique_stg_perceval__signalements_quotidiens_jour"] == "fail"
    assert done["fct_signalements"] == "skipped"
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        kept = connection.execute("select count(*) from marts.fct_signalements").fetchall()
    assert kept == [(5,)]


def bounce(manifest: Path, folder: Path) -> set[tuple[str, str]]:
    """Return (check, model or source) for each law that the project of `manifest` breaks."""
    (folder / "target").mkdir()
    shutil.copy(manifest, folder / "target")
    shutil.copy(PROJECT / "dbt-bouncer.yml", folder)
    report = folder / "report.json"
    subprocess.run(
        [
            *(Path(sys.executable).with_name("dbt-bouncer"), "run"),
            *("--config-file", folder / "dbt-bouncer.yml", "--output-file", report),
        ],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    outcomes = json.loads(report.read_text())
    return {
        (check["check_run_id"].split(":")[0], check["check_run_id"].split(":")[-1])
        for check in outcomes
        if check["outcome"] != "success"
    }


def test_the_laws_of_layers_hold(dbt: Dbt, tmp_path: Path) -> None:
    assert bounce(dbt.manifest, tmp_path) == set()


def test_the_laws_of_layers_bite(tmp_path: Path) -> None:
    broken = shutil.copytree(
        PROJECT, tmp_path / "broken", ignore=shutil.ignore_patterns("target", "logs")
    )
    models = broken / "models"

    def rewrite(path: str, old: str, new: str) -> None:
        text = (models / path).read_text()
        assert old in text
        (models / path).write_text(text.replace(old, new, 1))

    rewrite(
        "marts/contexte/fct_delinquance.sql",
        "ref('stg_ssmsi__delinquance')",
        "source('ssmsi', 'delinquance_departements')",
    )
    rewrite("staging/x/stg_x__volumes.sql", "source('x', 'tweet_counts')", "ref('stg_x__comptes')")
    rewrite(
        "marts/visibilite/fct_volumes_sociaux__quotidiens.sql",
        "ref('int_volumes_sociaux__unioned')",
        "ref('fct_volumes_sociaux')",
    )
    rewrite(
        "intermediate/int_comptes__snapshots.sql",
        "'stg_' ~ plateforme ~ '__comptes'",
        "'fct_volumes_sociaux'",
    )
    rewrite("marts/reference/_reference.yml", "Une ligne par région", "Les régions")
    rewrite("marts/reference/_reference.yml", "Nom de la région.", "")
    rewrite("marts/perception/_perception.yml", "data_tests: [unique]", "")
    (models / "marts/actions/plaintes.sql").write_text("select 1 as is_deposee")
    fallen = bounce(Dbt(broken, tmp_path / "parsed").manifest, tmp_path)
    assert {
        ("check_lineage_source_cannot_be_used", "fct_delinquance"),
        ("check_lineage_permitted_upstream_models", "stg_x__volumes"),
        ("check_lineage_permitted_upstream_models", "fct_volumes_sociaux__quotidiens"),
        ("check_lineage_permitted_upstream_models", "int_comptes__snapshots"),
        ("check_model_description_contains_regexp_pattern", "ref_regions"),
        ("check_model_column_description_populated", "ref_departements"),
        ("check_model_has_unique_test", "fct_avis"),
        ("check_model_names", "plaintes"),
    } <= fallen


def test_models_say_nothing_that_one_engine_alone_reads() -> None:
    engine = PROJECT / "macros" / "engine"
    paths = [path for path in PROJECT.rglob("*.sql") if engine not in path.parents]
    assert len(paths) > 150
    found = {
        f"{path.relative_to(PROJECT)} : {match.group()}"
        for path in paths
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith("--")
        for match in OF_ONE_ENGINE.finditer(line)
    }
    assert found == set()


@pytest.mark.parametrize(
    "written",
    [
        "qualify rang = 1",
        "jour::date",
        "cast(a as varchar)",
        "1.0 * a / b",
        "ltrim(url, '@')",
        "regexp_replace(a, 'b', '')",
        "a at time zone 'UTC'",
    ],
)
def test_what_one_engine_alone_reads_would_be_seen(written: str) -> None:
    assert OF_ONE_ENGINE.search(f"    {written} as colonne,")
