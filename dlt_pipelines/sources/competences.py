"""Competence: which of the police and the gendarmerie is in charge of each commune.

Origin    : ministère de l'Intérieur, CSV on data.gouv.fr.
Licence   : Licence Ouverte 2.0.
Grain     : one row per commune.
Personal  : none.
"""

from collections.abc import Iterable
from typing import Any

import dlt
from dlt.sources import DltResource

KEEP = {"x-personal": "keep"}
CODE = {**KEEP, "nullable": False}

COMPETENCES: dict[str, Any] = {
    "code_commune": CODE,
    "libelle_commune": KEEP,
    "institution": {**CODE, "x-check": ["{institution} in ('GN', 'PN')", "n’est ni GN ni PN"]},
    "id_service": KEEP,
    "service": KEEP,
    "code_postal": KEEP,
    "codes_postaux": KEEP,
}


@dlt.source
def competences(pages: Iterable[Any] = ()) -> DltResource:
    """Yield the resource `competences` from `pages`, tables of text read from CSV."""
    return dlt.resource(
        iter(pages), name="competences", columns=COMPETENCES, primary_key="code_commune"
    )
