"""SSMSI: crime recorded by police and gendarmerie, by département and year.

Origin    : Service statistique ministériel de la sécurité intérieure, CSV on data.gouv.fr.
Licence   : Licence Ouverte 2.0.
Grain     : one row per département, year and indicator; units differ between indicators.
Personal  : none (counts).
"""

from collections.abc import Iterable
from typing import Any

import dlt
from dlt.sources import DltResource

KEEP = {"x-personal": "keep"}
COUNT = {**KEEP, "data_type": "bigint", "x-min": 0}

# The other names are those of the layout in use until 2023.
DELINQUANCE: dict[str, Any] = {
    "code_departement": {
        **KEEP,
        "x-format": "departement",
        "nullable": False,
        "x-names": ["Code_departement", "Code.département"],
    },
    "code_region": {**KEEP, "x-names": ["Code.région"]},
    "annee": {**KEEP, "data_type": "bigint", "x-format": "annee", "nullable": False},
    "indicateur": {**KEEP, "nullable": False, "x-names": ["indicateur", "classe"]},
    "unite_de_compte": {**KEEP, "x-names": ["unité.de.compte"]},
    "nombre": {**COUNT, "nullable": False, "x-names": ["nombre", "faits"]},
    "taux_pour_mille": {
        **KEEP,
        "data_type": "double",
        "x-min": 0,
        "x-names": ["tauxpourmille"],
    },
    "insee_pop": {**COUNT, "x-names": ["POP"]},
    "insee_pop_millesime": {
        **KEEP,
        "data_type": "bigint",
        "x-format": "annee",
        "x-names": ["millPOP"],
    },
    "insee_log": {**COUNT, "x-names": ["LOG"]},
    "insee_log_millesime": {
        **KEEP,
        "data_type": "bigint",
        "x-format": "annee",
        "x-names": ["millLOG"],
    },
}


@dlt.source
def ssmsi(pages: Iterable[Any] = ()) -> DltResource:
    """Yield the resource `delinquance_departements` from `pages`, tables of text read from CSV."""
    return dlt.resource(
        iter(pages),
        name="delinquance_departements",
        columns=DELINQUANCE,
        primary_key=["code_departement", "annee", "indicateur"],
    )
