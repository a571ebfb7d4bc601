"""Units: the gendarmerie units that receive the public, with their place and opening hours.

Origin    : Gendarmerie nationale, CSV (`;`) on data.gouv.fr, refreshed daily.
Licence   : Licence Ouverte 2.0.
Grain     : one row per unit; the number 0 is shared by several, told apart by name and commune.
Personal  : none (public offices, their switchboard).
"""

from collections.abc import Iterable
from typing import Any

import dlt
from dlt.sources import DltResource

KEEP = {"x-personal": "keep"}
CODE = {**KEEP, "nullable": False}
UNREAD = {"x-personal": "drop"}

UNITES: dict[str, Any] = {
    "identifiant_public_unite": CODE,
    "service": CODE,
    "code_commune_insee": CODE,
    "departement": {**KEEP, "x-format": "departement"},
    "commune": KEEP,
    "code_postal": KEEP,
    "voie": KEEP,
    "adresse_geographique": KEEP,
    "telephone": KEEP,
    "longitude": {**KEEP, "data_type": "double", "x-names": ["geocodage_x_GPS"]},
    "latitude": {**KEEP, "data_type": "double", "x-names": ["geocodage_y_GPS"]},
    "horaires_accueil": KEEP,
    "url": KEEP,
    "geocodage_epsg": UNREAD,
    "geocodage_x": UNREAD,
    "geocodage_y": UNREAD,
}


@dlt.source
def unites(pages: Iterable[Any] = ()) -> DltResource:
    """Yield the resource `unites` from `pages`, tables of text read from CSV."""
    return dlt.resource(
        iter(pages),
        name="unites",
        columns=UNITES,
        primary_key=["identifiant_public_unite", "service", "code_commune_insee"],
    )
