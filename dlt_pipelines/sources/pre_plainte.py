"""Pré-plainte en ligne: declarations made before a complaint is signed in a unit.

Origin    : CSV export of the service (`,`), Gendarmerie nationale; local clocks of Paris.
Licence   : internal.
Grain     : one row per declaration.
Personal  : none (a number of the statistics, times, the département of the unit that was chosen).
"""

from collections.abc import Iterable
from typing import Any

import dlt
from dlt.sources import DltResource

KEEP = {"x-personal": "keep"}
MOMENT = {**KEEP, "data_type": "timestamp"}
# 1 or 0; both at 0 when the declaration does not say.
FLAG = {**KEEP, "data_type": "bigint", "x-min": 0}

DECLARATIONS: dict[str, Any] = {
    "stats_id": {**KEEP, "nullable": False},
    "stats_debut_declaration": {**MOMENT, "nullable": False},
    "stats_fin_declaration": {
        **MOMENT,
        "x-check": [
            "{stats_fin_declaration} >= {stats_debut_declaration}",
            "antérieur au début de la déclaration",
        ],
    },
    "stats_dpt_unite": {**KEEP, "x-format": "departement"},
    "stats_pers_physique": {**FLAG, "x-check": ["{stats_pers_physique} <= 1", "ni 0 ni 1"]},
    "stats_pers_morale": {**FLAG, "x-check": ["{stats_pers_morale} <= 1", "ni 0 ni 1"]},
}


@dlt.source
def pre_plainte(pages: Iterable[Any] = ()) -> DltResource:
    """Yield the resource `declarations` from `pages`, tables of text read from CSV."""
    return dlt.resource(
        iter(pages), name="declarations", columns=DECLARATIONS, primary_key="stats_id"
    )
