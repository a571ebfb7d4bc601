"""Geography: communes, départements, regions, populations (Code officiel géographique).

Origin    : INSEE, through the npm package @etalab/decoupage-administratif (JSON files).
Licence   : Licence Ouverte 2.0 (data), MIT (package).
Grain     : one row per commune, département or overseas collectivity, region of the current year.
Personal  : none.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import dlt
from dlt.sources import DltResource

KEEP = {"x-personal": "keep"}
CODE = {**KEEP, "nullable": False}

TABLES: dict[str, Any] = {
    "communes": {
        "code": CODE,
        "nom": CODE,
        "type": CODE,
        "departement": KEEP,
        "region": KEEP,
        "population": {**KEEP, "data_type": "bigint", "x-min": 0},
        "commune": KEEP,
        "codes_postaux": {**KEEP, "x-names": ["codesPostaux"]},
        "chef_lieu": {**KEEP, "x-names": ["chefLieu"]},
    },
    "departements": {
        "code": CODE,
        "nom": CODE,
        "region": KEEP,
        "chef_lieu": {**KEEP, "x-names": ["chefLieu"]},
        "zone": KEEP,
    },
    "regions": {
        "code": CODE,
        "nom": CODE,
        "chef_lieu": {**KEEP, "x-names": ["chefLieu"]},
        "zone": KEEP,
    },
}
# Fields of the package that nobody here reads.
UNREAD: dict[str, Any] = {
    name: {"x-personal": "drop"}
    for name in ("typeLiaison", "rangChefLieu", "arrondissement", "siren", "anciensCodes", "zone")
}
# Former communes keep their code inside the one that absorbed them: the code alone is not unique.
KEYS = {"communes": ["code", "type"], "departements": ["code"], "regions": ["code"]}


def recognise(document: Any) -> None:
    """Raise ValueError, in French, when `document` is not a list of places."""
    if not isinstance(document, list) or not all(
        isinstance(place, dict) and {"code", "nom"} <= place.keys() for place in document
    ):
        raise ValueError("le document JSON n’est pas une liste de lieux (code, nom)")


@dlt.source
def geographie(documents: Iterable[tuple[str, Any]] = ()) -> Iterable[DltResource]:
    """Yield one resource a table from `documents`, pairs of file name and JSON document."""
    for table, columns in TABLES.items():
        yield dlt.resource(
            _pages(documents, table),
            name=table,
            columns={**UNREAD, **columns},
            primary_key=KEYS[table],
        )


def _pages(documents: Iterable[tuple[str, Any]], table: str) -> Iterator[Any]:
    for file_name, document in documents:
        if file_name == f"{table}.json":
            yield {"whence": file_name, "records": document}
