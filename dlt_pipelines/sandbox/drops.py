"""Files as each service would hand them over: same name pattern, same layout, invented content."""

import csv
import json
from collections.abc import Callable, Iterable
from datetime import date
from math import exp
from pathlib import Path
from random import Random
from typing import Any

from pyarrow.csv import WriteOptions, write_csv

from dlt_pipelines.sandbox import jedonnemonavis
from dlt_pipelines.sandbox.story import SandboxError, World, cog, departements, ledger
from dlt_pipelines.sandbox.structures import GENDARMERIE, structures
from dlt_pipelines.sandbox.tables import connect


def drop(world: World, source: str, folder: Path) -> list[Path]:
    """Write into `folder` the files of `source` as they stand at the end of `world`.

    A folder that is missing is made; a file of the same name is replaced.
    """
    if source not in DROPS:
        raise SandboxError(
            f"Le bac à sable ne dépose aucun fichier pour « {source} » ; "
            f"il en dépose pour : {', '.join(DROPS)}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return [DROPS[source](world, folder)]


def _perceval(world: World, folder: Path) -> Path:
    with connect(world, "perceval") as db:
        days = {
            name: {str(day): value for day, value in db.table(name).fetchall()}
            for name in ("amount_of_money_day", "nb_report_day")
        }
        months: dict[str, dict[str, dict[str, int]]] = {}
        for name in ("age_categories_month", "dpt_report_month"):
            for month, key, count in db.table(name).fetchall():
                months.setdefault(name, {}).setdefault(month, {})[key] = count
    path = folder / "perceval.json"
    text = json.dumps(dict(sorted((days | months).items())), indent=2, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")
    return path


def _ma_gendarmerie(world: World, folder: Path) -> Path:
    path = folder / "easiware-demonstration.csv"
    return _export(world, "ma_gendarmerie", "contacts", path, ";", header=False)


def _pre_plainte(world: World, folder: Path) -> Path:
    return _export(world, "pre_plainte", "pre_plaintes", folder / "ppel-demonstration.csv", ",")


def _signalements_agreges(world: World, folder: Path) -> Path:
    path = folder / "signalements-demonstration.csv"
    return _export(world, "signalements_agreges", "releves", path, ";")


def _unites(world: World, folder: Path) -> Path:
    header = (
        "identifiant_public_unite", "service", "adresse_geographique", "telephone", "departement",
        "code_commune_insee", "voie", "code_postal", "commune", "geocodage_epsg", "geocodage_x",
        "geocodage_y", "geocodage_x_GPS", "geocodage_y_GPS", "horaires_accueil", "url",
    )  # fmt: skip
    street = "1 place de la Démonstration"
    rows = []
    for rank, (code, town, postcode, place) in enumerate(_towns()):
        rows.append(
            (
                # Some units have no number of their own, others tell no hours.
                0 if rank % 97 == 0 else 9_000_000 + rank,
                f"Gendarmerie - Brigade de {town} (démonstration)",
                f"{street} {postcode} {town.upper()}", "", place, code, street, postcode, town,
                "", "", "", "", "",
                "" if rank % 10 == 0 else " Lundi : 8h00-12h00 14h00-18h00", "",
            )
        )  # fmt: skip
    return _write_csv(folder / "unites-demonstration.csv", header, rows, "\r\n")


def _competences(world: World, folder: Path) -> Path:
    header = (
        "code_commune", "libelle_commune", "institution", "id_service", "service", "code_postal",
        "codes_postaux",
    )  # fmt: skip
    rows = [
        (
            commune["code"], commune["nom"],
            "PN" if commune.get("population", 0) > 20_000 else "GN",
            f"demo_{commune['departement']}", f"Unité du {commune['departement']} (démonstration)",
            commune["codesPostaux"][0], "-".join(commune["codesPostaux"]),
        )
        for commune in cog("communes")
        if commune["type"] == "commune-actuelle" and commune.get("codesPostaux")
    ]  # fmt: skip
    return _write_csv(folder / "competences-demonstration.csv", header, rows, "\r\n")


def _towns() -> list[tuple[str, str, str, str]]:
    """Return (code, name, postcode, département) of the larger communes outside the cities."""
    return [
        (commune["code"], commune["nom"], commune["codesPostaux"][0], commune["departement"])
        for commune in cog("communes")
        if commune["type"] == "commune-actuelle" and 3_000 < commune.get("population", 0) <= 20_000
    ]


def _campagnes(world: World, folder: Path) -> Path:
    # A campaign over the whole country that changes nothing: to say so is an answer too.
    rows: list[tuple[Any, ...]] = [
        (
            f"demo_vacances/{year}", date(year, 6, 15), date(year, 7, 31), "cambriolages",
            "affichage", "00", 40_000,
        )
        for year in range(world.start.year, world.end.year + 1)
        if world.start <= date(year, 6, 15) < world.end
    ]  # fmt: skip
    for event in ledger(world):
        if event.kind != "prevention":
            continue
        draw = Random(f"{world.seed}/campagnes/{event.key}")  # noqa: S311 (a play, not a secret)
        rows.append(
            (
                f"demo_{event.key}", event.start.date(), event.end.date(), "arnaques en ligne",
                draw.choice(("réseaux sociaux", "interventions en mairie", "affichage")),
                " ".join(event.departements), draw.randrange(4_000, 30_000, 500),
            )
        )  # fmt: skip
    header = ("campagne_id", "debut", "fin", "theme", "canal", "departements", "cout_eur")
    return _write_csv(folder / "campagnes-demonstration.csv", header, rows, "\r\n")


def _moyens(world: World, folder: Path) -> Path:
    rows = []
    for year in range(world.start.year, world.end.year + 1):
        for place in departements():
            draw = Random(f"{world.seed}/moyens/{place.code}/{year}")  # noqa: S311
            staff = round(place.population / 680 * draw.uniform(0.95, 1.05))
            rows.append((place.code, year, staff, staff // 28 + 1, staff * draw.randrange(90, 110)))
    header = ("departement", "periode", "effectif", "unites", "budget_eur")
    return _write_csv(folder / "moyens-demonstration.csv", header, rows, "\r\n")


def _export(
    world: World, script: str, table: str, path: Path, delimiter: str, header: bool = True
) -> Path:
    """Write a table that a script of the world builds, as a service exports it."""
    with connect(world, script) as db:
        rows = db.table(table).to_arrow_table()
    write_csv(rows, path, WriteOptions(include_header=header, delimiter=delimiter))
    return path


# indicator -> (unit, facts per thousand inhabitants in 2016, in 2024): the order of magnitude of
# the published figures, so that a map or a trend looks like one.
INDICATORS = {
    "Homicides": ("Victime", 0.014, 0.014),
    "Tentatives d'homicide": ("Victime", 0.034, 0.063),
    "Violences physiques intrafamiliales": ("Victime", 1.7, 3.6),
    "Violences physiques hors cadre familial": ("Victime", 2.5, 3.0),
    "Violences sexuelles": ("Victime", 0.8, 1.8),
    "Vols avec armes": ("Infraction", 0.16, 0.13),
    "Vols violents sans arme": ("Infraction", 1.4, 0.7),
    "Vols sans violence contre des personnes": ("Victime entendue", 10.6, 8.9),
    "Cambriolages de logement": ("Infraction", 3.7, 3.2),
    "Vols de véhicule": ("Véhicule", 2.5, 2.0),
    "Vols dans les véhicules": ("Véhicule", 4.1, 3.7),
    "Vols d'accessoires sur véhicules": ("Véhicule", 1.6, 1.4),
    "Destructions et dégradations volontaires": ("Infraction", 9.4, 7.7),
    "Usage de stupéfiants (AFD)": ("Mis en cause", 0.9, 2.9),
    "Usage de stupéfiants (hors AFD)": ("Mis en cause", 2.7, 1.4),
    "Usage de stupéfiants": ("Mis en cause", 0.0, 0.0),
    "Trafic de stupéfiants": ("Mis en cause", 0.6, 0.77),
    "Escroqueries et fraudes aux moyens de paiement": ("Victime", 3.7, 6.1),
}
PARTS = {
    "Usage de stupéfiants": ("Usage de stupéfiants (AFD)", "Usage de stupéfiants (hors AFD)"),
}
FIRST = {"Usage de stupéfiants (AFD)": 2020}  # the fixed fine did not exist before
PER_HOME = {"Cambriolages de logement"}
YEARS = 9


def _ssmsi(world: World, folder: Path) -> Path:
    # The base is published in July, for the year before.
    last = world.end.year - (1 if world.end.month > 7 else 2)
    rows = []
    for indicator, (unit, _, _) in INDICATORS.items():
        for year in range(last - YEARS + 1, last + 1):
            for place in departements():
                people = round(place.population * 1.003 ** (year - 2024))
                homes = round(people / 1.85)
                facts = _facts(world.seed, indicator, year, place.code, people)
                rate = f"{facts / (homes if indicator in PER_HOME else people) * 1000:.7f}"
                rows.append(
                    (
                        place.code, place.region_code, year, indicator, unit, facts,
                        rate.rstrip("0").rstrip(".").replace(".", ","), people, year, homes, year,
                    )
                )  # fmt: skip
    header = (
        "Code_departement", "Code_region", "annee", "indicateur", "unite_de_compte", "nombre",
        "taux_pour_mille", "insee_pop", "insee_pop_millesime", "insee_log", "insee_log_millesime",
    )  # fmt: skip
    return _write_csv(folder / f"donnee-dep-{last}-demonstration.csv", header, rows, "\n")


def _facts(seed: int, indicator: str, year: int, code: str, people: int) -> int:
    if indicator in PARTS:
        return sum(_facts(seed, part, year, code, people) for part in PARTS[indicator])
    if year < FIRST.get(indicator, year):
        return 0
    _, early, late = INDICATORS[indicator]
    rate: float = early * (late / early) ** ((year - 2016) / 8)
    habit = Random(f"{seed}/ssmsi/{indicator}/{code}").gauss(0, 0.25)  # noqa: S311
    noise = Random(f"{seed}/ssmsi/{indicator}/{code}/{year}").gauss(0, 0.05)  # noqa: S311
    return round(people / 1000 * rate * exp(habit + noise))


def _structures(world: World, folder: Path) -> Path:
    header = (
        "Code SP+ de la structure", "Intitulé du réseau", "Intitulé de la typologie",
        "Intitulé de la structure", "Intitulé structure usager", "Description de la structure",
        "Identifiant de la structure", "Type d'identifiant", "Code SP+ structure parent",
        "Intitulé de la structure parente", "Adresse", "Compléments Adresse",
        "Code postal de la structure", "Ville", "PAYS", "Codes Postaux", "Départements",
        "URL du site internet", "Clé de tracking", "Actif", "Code sp+ de la typologie",
        "INSEE Ville", "INSEE Département", "INSEE Région", "INSEE Arrondissement",
    )  # fmt: skip
    kinds = sorted({row.typologie for row in structures()})
    rows = []
    for rank, row in enumerate(structures()):
        place, parent = row.departement, row.parent
        rows.append(
            (
                row.id, row.reseau, row.typologie, row.label, "", row.label,
                str(9000 + rank), "Matricule" if row.reseau == GENDARMERIE else "",
                parent.id if parent else "", parent.label if parent else "",
                "1 place de la Démonstration", "", place.code_postal, place.chef_lieu_nom.upper(),
                "France", "", "", "https://www.example.org/", "", "Oui",
                f"demo_typologie_{kinds.index(row.typologie)}", f"com{place.chef_lieu_code}",
                f"dep{place.code}", f"reg{place.region_code}", f"arr{place.chef_lieu_code}",
            )
        )  # fmt: skip
    return _write_csv(folder / "structures-demonstration.csv", header, rows, "\r\n")


def _write_csv(
    path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]], line_end: str
) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator=line_end)
        writer.writerow(header)
        writer.writerows(rows)
    return path


DROPS: dict[str, Callable[[World, Path], Path]] = {
    "jedonnemonavis": jedonnemonavis.export,
    "campagnes": _campagnes,
    "competences": _competences,
    "ma_gendarmerie": _ma_gendarmerie,
    "moyens": _moyens,
    "perceval": _perceval,
    "pre_plainte": _pre_plainte,
    "signalements_agreges": _signalements_agreges,
    "ssmsi": _ssmsi,
    "structures": _structures,
    "unites": _unites,
}
"""Source → what writes its file into a folder."""
