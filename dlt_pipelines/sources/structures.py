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
REDACT = {"x-personal": "redact"}

STRUCTURES: dict[str, Any] = {
    "structure_id": {**KEEP, "nullable": False, "x-names": ["Code SP+ de la structure"]},
    "reseau": {**REDACT, "x-names": ["Intitulé du réseau"]},
    "typologie": {**REDACT, "x-names": ["Intitulé de la typologie"]},
    "typologie_id": {**REDACT, "x-names": ["Code sp+ de la typologie"]},
    "libelle": {**REDACT, "nullable": False, "x-names": ["Intitulé de la structure"]},
    "libelle_usager": {**REDACT, "x-names": ["Intitulé structure usager"]},
    "description": {**REDACT, "x-names": ["Description de la structure"]},
    "boite_fonctionnelle": {"x-personal": "drop", "x-names": ["Boîte à lettre fonctionnelle"]},
    "identifiant": {**REDACT, "x-names": ["Identifiant de la structure"]},
    "identifiant_type": {**REDACT, "x-names": ["Type d'identifiant"]},
    "parent_id": {**REDACT, "x-names": ["Code SP+ structure parent"]},
    "parent": {**REDACT, "x-names": ["Intitulé de la structure parente"]},
    "adresse": REDACT,
    "adresse_complement": {**REDACT, "x-names": ["Compléments Adresse"]},
    "code_postal": {**REDACT, "x-names": ["Code postal de la structure"]},
    "ville": REDACT,
    "pays": REDACT,
    "codes_postaux": REDACT,
    "departements": REDACT,
    "url": {**REDACT, "x-names": ["URL du site internet"]},
    "cle_de_tracking": {"x-personal": "drop"},
    "actif": REDACT,
    "insee_ville": REDACT,
    "insee_departement": REDACT,
    "insee_region": REDACT,
    "insee_arrondissement": REDACT,
}


@dlt.source
def structures(pages: Iterable[Any] = ()) -> DltResource:
    """Yield the resource `structures` from `pages`, tables of text read from CSV."""
    return dlt.resource(
        iter(pages), name="structures", columns=STRUCTURES, primary_key="structure_id"
    )
