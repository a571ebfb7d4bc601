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
from requests import HTTPError, Session

KEEP = {"x-personal": "keep"}
REDACT = {"x-personal": "redact"}


def _numbered(n: int) -> dict[str, dict[str, Any]]:
    return {
        f"typologie_{n}": {**KEEP, "x-names": [f"Intitulé Typologie {n}"]},
        f"code_postal_typologie_{n}": KEEP,
        f"pays_typologie_{n}": KEEP,
        f"canaux_typologie_{n}": KEEP,
        f"structure_{n}_id": {**KEEP, "x-names": [f"ID structure {n}"]},
        f"structure_{n}": {**KEEP, "x-names": [f"Intitulé structure {n}"]},
        f"reponse_structure_{n}": REDACT,
    }


EXPERIENCES: dict[str, Any] = {
    "experience_id": {
        **KEEP,
        "data_type": "bigint",
        "nullable": False,
        "x-names": ["ID expérience", "id_experience"],
    },
    "etat": {**KEEP, "x-names": ["Etat expérience", "Etat de l'expérience"]},
    "statut": {**KEEP, "x-names": ["Statut de l'expérience", "statut_experience"]},
    "publie_at": {
        **KEEP,
        "data_type": "timestamp",
        "nullable": False,
        "x-names": ["Date de publication"],
    },
    "ecrit_at": {**KEEP, "data_type": "timestamp", "x-names": ["Écrit le"]},
    "titre": REDACT,
    "description": REDACT,
    "usager_pseudonyme": {"x-personal": "pseudonymise", "x-names": ["Pseudonyme usager"]},
    "poste_comme": KEEP,
    "ressenti": {**KEEP, "nullable": False, "x-names": ["Ressenti usager"]},
    "departement_insee": {
        **KEEP,
        "x-format": "departement",
        "x-names": ["Code INSEE Département usager"],
    },
    "departement": {**KEEP, "x-names": ["Intitulé département usager"]},
    "region": {**KEEP, "x-names": ["Intitulé région usager"]},
    "region_insee": {**KEEP, "x-names": ["Code INSEE Région usager"]},
    "code_postal": {**KEEP, "x-names": ["Code postal usager"]},
    "pays": KEEP,
    **_numbered(1),
    **_numbered(2),
    **_numbered(3),
    "hors_structure": KEEP,
    "statut_reponse_structure_1": KEEP,
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
    "evaluation_auteur": {**KEEP, "x-names": ["Evaluation réponse structure 1 par auteur"]},
    "accessibilite": {**KEEP, "x-names": ["Tags généraux Accessibilité"]},
    "information_explication": {
        **KEEP,
        "x-names": ["Information/Explication", "Tags généraux Information/Explication"],
    },
    "relation": {**KEEP, "x-names": ["Tags généraux Relation"]},
    "reactivite": {**KEEP, "x-names": ["Tags généraux Réactivité"]},
    "simplicite_complexite": {
        **KEEP,
        "x-names": ["Simplicité/Complexité", "Tags généraux Simplicité/Complexité", "simplicite"],
    },
    "experiences_similaires": {**KEEP, "data_type": "bigint", "x-min": 0},
    "amelioration_a_considerer": {**KEEP, "x-names": ["Amélioration de service à considérer"]},
    "action": REDACT,
    "action_realisee_le": {
        **KEEP,
        "data_type": "timestamp",
        "x-names": ["Date action réalisée"],
    },
    "action_engagee_le": {**KEEP, "data_type": "timestamp", "x-names": ["Date action engagée"]},
    "tags_metiers": KEEP,
    "demarches": {**KEEP, "x-names": ["Démarches saisies par usager"]},
    "premiere_reponse_at": {
        **KEEP,
        "data_type": "timestamp",
        "x-names": ["Date de premiere réponse", "Date de première réponse"],
    },
}


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
            yield from _exports(client, datasets, since, until or date.today())

    return experiences


def _exports(client: RESTClient, datasets: list[str], since: date, until: date) -> Iterator[Any]:
    """Read `exports/json` month by month: it has no row limit, and a slice can be asked again."""
    dataset, published = _published_field(client, datasets)
    start = since.replace(day=1)
    while start <= until:
        end = (start + timedelta(days=32)).replace(day=1)
        records = client.get(
            f"{dataset}/exports/json",
            params={
                "where": f"{published} >= date'{start}' and {published} < date'{end}'",
                "order_by": published,
            },
        )
        records.raise_for_status()
        yield {"whence": f"exports/json {start:%Y-%m}", "records": records.json()}
        start = end


def _published_field(client: RESTClient, datasets: list[str]) -> tuple[str, str]:
    """Return the id of the dataset that answers and the name of its publication date."""
    for dataset in datasets:
        try:
            response = client.get(dataset)
            response.raise_for_status()
        except HTTPError as error:
            if error.response is not None and error.response.status_code == 404:
                continue
            raise
        names = [field["name"] for field in response.json()["fields"]]
        for name in names:
            if name.startswith("date") and "publication" in name:
                return dataset, name
        raise ValueError(f"{dataset} n’a plus de date de publication parmi : {', '.join(names)}")
    raise ValueError(f"aucun jeu de données connu ne répond : {', '.join(datasets)}")
