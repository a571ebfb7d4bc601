"""Services Publics+: experiences that users tell about public services, and the answers they got.

Origin    : « Je partage mon expérience », DITP: portal (Explore v2.1) or its CSV export.
Licence   : Licence Ouverte 2.0.
Grain     : one row per published experience; an answer that comes later changes the row.
Personal  : free text written by citizens (redacted), their pseudonym (pseudonymised).
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import dlt
from dlt.sources import DltResource
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import Session

PAGE = 100
WINDOW = 10_000  # offset + limit, at most, of `records`

KEEP: dict[str, Any] = {"x-personal": "keep"}
# Words chosen from a list hold nothing to mask, until somebody writes into them.
REDACT = {"x-personal": "redact"}


def _numbered(n: int) -> dict[str, dict[str, Any]]:
    return {
        f"typologie_{n}": {**REDACT, "x-names": [f"Intitulé Typologie {n}"]},
        f"code_postal_typologie_{n}": REDACT,
        f"pays_typologie_{n}": REDACT,
        f"canaux_typologie_{n}": REDACT,
        f"structure_{n}_id": {**REDACT, "x-names": [f"ID structure {n}"]},
        f"structure_{n}": {**REDACT, "x-names": [f"Intitulé structure {n}"]},
        f"reponse_structure_{n}": REDACT,
    }


def _tone(column: str, *names: str) -> dict[str, Any]:
    words = f"{{{column}}} in ('Positif', 'Neutre', 'Négatif')"
    reason = "n’est ni Positif, ni Neutre, ni Négatif"
    return {**KEEP, "x-names": list(names), "x-check": [words, reason]}


EXPERIENCES: dict[str, Any] = {
    "experience_id": {
        **KEEP,
        "data_type": "bigint",
        "nullable": False,
        "x-names": ["ID expérience", "id_experience"],
    },
    "etat": {**REDACT, "x-names": ["Etat expérience", "Etat de l'expérience"]},
    "statut": {**REDACT, "x-names": ["Statut de l'expérience", "statut_experience"]},
    "publie_at": {
        **KEEP,
        "data_type": "timestamp",
        "nullable": False,
        "x-names": ["Date de publication"],
        "x-check": ["{publie_at} <= now() + interval 1 day", "est dans le futur"],
    },
    "ecrit_at": {**KEEP, "data_type": "timestamp", "x-names": ["Écrit le"]},
    "titre": REDACT,
    "description": REDACT,
    "usager_pseudonyme": {"x-personal": "pseudonymise", "x-names": ["Pseudonyme usager"]},
    "poste_comme": REDACT,
    "ressenti": {**_tone("ressenti", "Ressenti usager"), "nullable": False},
    "departement_insee": {
        **KEEP,
        "x-format": "departement",
        "x-names": ["Code INSEE Département usager"],
    },
    "departement": {**REDACT, "x-names": ["Intitulé département usager"]},
    "region": {**REDACT, "x-names": ["Intitulé région usager"]},
    "region_insee": {**REDACT, "x-names": ["Code INSEE Région usager"]},
    "code_postal": {**REDACT, "x-names": ["Code postal usager"]},
    "pays": REDACT,
    **_numbered(1),
    **_numbered(2),
    **_numbered(3),
    "hors_structure": REDACT,
    "statut_reponse_structure_1": REDACT,
    "evaluation_utile_visiteurs": {
        **KEEP,
        "data_type": "bigint",
        "x-min": 0,
        "x-names": ["Evaluation utile réponse structure 1 par visiteurs"],
    },
    "evaluation_inutile_visiteurs": {
        **KEEP,
        "data_type": "bigint",
        "x-min": 0,
        "x-names": ["Evaluation inutile réponse structure 1 par visiteurs"],
    },
    "evaluation_auteur": {**REDACT, "x-names": ["Evaluation réponse structure 1 par auteur"]},
    "accessibilite": _tone("accessibilite", "Tags généraux Accessibilité"),
    "information_explication": _tone(
        "information_explication",
        "Information/Explication",
        "Tags généraux Information/Explication",
    ),
    "relation": _tone("relation", "Tags généraux Relation"),
    "reactivite": _tone("reactivite", "Tags généraux Réactivité"),
    "simplicite_complexite": _tone(
        "simplicite_complexite",
        "Simplicité/Complexité",
        "Tags généraux Simplicité/Complexité",
        "simplicite",
    ),
    "experiences_similaires": {**KEEP, "data_type": "bigint", "x-min": 0},
    "amelioration_a_considerer": {**REDACT, "x-names": ["Amélioration de service à considérer"]},
    "action": REDACT,
    "action_realisee_le": {
        **KEEP,
        "data_type": "timestamp",
        "x-names": ["Date action réalisée"],
    },
    "action_engagee_le": {**KEEP, "data_type": "timestamp", "x-names": ["Date action engagée"]},
    "tags_metiers": REDACT,
    "demarches": {**REDACT, "x-names": ["Démarches saisies par usager"]},
    "premiere_reponse_at": {
        **KEEP,
        "data_type": "timestamp",
        "x-names": ["Date de premiere réponse", "Date de première réponse"],
    },
}

# Columns that the perception rests on: usual name of the field, words that a new name would keep.
FIELDS = {
    "experience_id": ("id_experience", {"id", "experience"}),
    "publie_at": ("date_de_publication", {"date", "publication"}),
    "ressenti": ("ressenti_usager", {"ressenti"}),
    "etat": ("etat_experience", {"etat"}),
    "departement_insee": ("code_insee_departement_usager", {"insee", "departement"}),
    "typologie_1": ("intitule_typologie_1", {"intitule", "typologie", "1"}),
    "structure_1_id": ("id_structure_1", {"id", "structure", "1"}),
    "reponse_structure_1": ("reponse_structure_1", {"texte", "reponse", "structure", "1"}),
    "accessibilite": ("accessibilite", {"accessibilite"}),
    "information_explication": ("information_explication", {"information"}),
    "relation": ("relation", {"relation"}),
    "reactivite": ("reactivite", {"reactivite"}),
    "simplicite_complexite": ("simplicite_complexite", {"simplicite"}),
}
NEEDED = ("experience_id", "publie_at", "ressenti")


@dlt.source
def services_publics_plus(
    pages: Iterable[Any] | None = None,
    base_url: str = dlt.config.value,
    datasets: list[str] = dlt.config.value,
    since: date | None = None,
    until: date | None = None,
    session: Session | None = None,
) -> DltResource:
    """Yield the resource `experiences`.

    Args:
        pages: tables of text read from CSV exports; the API is not asked then.
        base_url: root of the portal, without `/api`.
        datasets: ids under which the dataset is known; the first one that answers is read.
        since: first day to read (inclusive).
        until: last day to read (inclusive); None is today.
        session: the HTTP session to speak through.
    """

    @dlt.resource(primary_key="experience_id", columns=EXPERIENCES)
    def experiences() -> Iterator[Any]:
        if pages is not None:
            yield from pages
        elif since is not None:
            client = RESTClient(
                f"{base_url}/api/explore/v2.1/catalog/datasets", session=session or Session()
            )
            yield from _experiences(client, datasets, since, until or date.today())

    return experiences


def _experiences(
    client: RESTClient, datasets: list[str], since: date, until: date
) -> Iterator[Any]:
    """Read month by month, so that a slice can be asked again."""
    dataset, fields = _dataset(client, datasets)
    published = fields["publie_at"]
    exports_are_open = True
    start = since.replace(day=1)
    while start <= until:
        end = (start + timedelta(days=32)).replace(day=1)
        if exports_are_open:
            # No limit of rows, but a portal may close its exports.
            answer = client.get(
                f"{dataset}/exports/json",
                params={"where": _between(published, start, end), "order_by": published},
            )
            exports_are_open = not 400 <= answer.status_code < 500 or answer.status_code == 429
        if exports_are_open:
            answer.raise_for_status()
            pages = iter([{"whence": f"exports/json {start:%Y-%m}", "records": answer.json()}])
        else:
            pages = _records(client, dataset, published, start, end)
        for page in pages:
            yield {**page, "records": _renamed(page["records"], fields)}
        start = end


def _records(
    client: RESTClient, dataset: str, published: str, start: date, end: date
) -> Iterator[dict[str, Any]]:
    """Read [start, end[ by pages, in spans short enough for the window of the portal."""
    offset, total = 0, 1
    while offset < total:
        answer = client.get(
            f"{dataset}/records",
            params={
                "where": _between(published, start, end),
                "order_by": published,
                "limit": PAGE,
                "offset": offset,
            },
        )
        answer.raise_for_status()
        body = answer.json()
        total = body["total_count"]
        if total > WINDOW:
            middle = start + (end - start) // 2
            if middle == start:
                raise LookupError(f"plus de {WINDOW} expériences publiées le {start:%d/%m/%Y}")
            yield from _records(client, dataset, published, start, middle)
            yield from _records(client, dataset, published, middle, end)
            return
        yield {"whence": f"records {start} {offset}", "records": body["results"]}
        offset += PAGE


def _between(published: str, start: date, end: date) -> str:
    return f"{published} >= date'{start}' and {published} < date'{end}'"


def _dataset(client: RESTClient, datasets: list[str]) -> tuple[str, dict[str, str]]:
    """Return the id of the dataset that answers, and our columns → the names of its fields."""
    for dataset in datasets:
        response = client.get(dataset)
        if response.status_code == 404:
            continue
        response.raise_for_status()
        return dataset, _named([field["name"] for field in response.json()["fields"]])
    raise LookupError(f"aucun jeu de données connu ne répond : {', '.join(datasets)}")


def _named(names: list[str]) -> dict[str, str]:
    """Find the field of each column of FIELDS: by its usual name, else by the words it is made of.

    A field that stays unknown is reported by the door; without one of NEEDED nothing can be read.
    """
    found = {}
    for column, (usual, words) in FIELDS.items():
        alike = [name for name in names if words <= set(name.split("_"))]
        if usual in names:
            found[column] = usual
        elif len(alike) == 1:
            found[column] = alike[0]
        elif column in NEEDED:
            raise LookupError(
                f"le portail n’a plus de champ « {usual} » ; ses champs : {', '.join(names)}"
            )
    return found


def _renamed(records: list[dict[str, Any]], fields: dict[str, str]) -> list[dict[str, Any]]:
    """Give back their usual names to the fields that changed it."""
    moved = {name: FIELDS[column][0] for column, name in fields.items()}
    moved = {name: usual for name, usual in moved.items() if name != usual}
    if not moved:
        return records
    return [{moved.get(name, name): value for name, value in row.items()} for row in records]
