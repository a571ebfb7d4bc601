"""Structures: the public services that Services Publics+ knows, the Gendarmerie's among them.

Origin    : référentiel des structures de Services Publics+, DITP, CSV on data.gouv.fr.
Licence   : Licence Ouverte 2.0.
Grain     : one row per structure.
Personal  : none wanted; the functional mailbox is dropped, free descriptions are redacted.
"""

from collections.abc import Iterable
from typing import Any

import dlt
from dlt.sources import DltResource

KEEP = {"x-personal": "keep"}

STRUCTURES: dict[str, Any] = {
    "structure_id": {**KEEP, "nullable": False, "x-names": ["Code SP+ de la structure"]},
    "reseau": {**KEEP, "x-names": ["Intitulé du réseau"]},
    "typologie": {**KEEP, "x-names": ["Intitulé de la typologie"]},
    "typologie_id": {**KEEP, "x-names": ["Code sp+ de la typologie"]},
    "libelle": {**KEEP, "nullable": False, "x-names": ["Intitulé de la structure"]},
    "libelle_usager": {**KEEP, "x-names": ["Intitulé structure usager"]},
    "description": {"x-personal": "redact", "x-names": ["Description de la structure"]},
    "boite_fonctionnelle": {"x-personal": "drop", "x-names": ["Boîte à lettre fonctionnelle"]},
    "identifiant": {**KEEP, "x-names": ["Identifiant de la structure"]},
    "identifiant_type": {**KEEP, "x-names": ["Type d'identifiant"]},
    "parent_id": {**KEEP, "x-names": ["Code SP+ structure parent"]},
    "parent": {**KEEP, "x-names": ["Intitulé de la structure parente"]},
    "adresse": KEEP,
    "adresse_complement": {**KEEP, "x-names": ["Compléments Adresse"]},
    "code_postal": {**KEEP, "x-names": ["Code postal de la structure"]},
    "ville": KEEP,
    "pays": KEEP,
    "codes_postaux": KEEP,
    "departements": KEEP,
    "url": {**KEEP, "x-names": ["URL du site internet"]},
    "cle_de_tracking": {"x-personal": "drop"},
    "actif": KEEP,
    "insee_ville": KEEP,
    "insee_departement": KEEP,
    "insee_region": KEEP,
    "insee_arrondissement": KEEP,
}


@dlt.source
def structures(pages: Iterable[Any] = ()) -> DltResource:
    """Yield the resource `structures` from `pages`, tables of text read from CSV."""
    return dlt.resource(
        iter(pages), name="structures", columns=STRUCTURES, primary_key="structure_id"
    )
