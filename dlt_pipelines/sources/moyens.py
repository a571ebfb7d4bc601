"""Means: staff, units and budget of prevention and digital contact, by département.

Origin    : one CSV contract of ours (docs/contrats.md), filled from the figures of each command.
Licence   : internal.
Grain     : one row per département and period, the period being a month or a year.
Personal  : none (counts).
"""

from collections.abc import Iterable
from typing import Any

import dlt
from dlt.sources import DltResource

KEEP = {"x-personal": "keep"}
COUNT = {**KEEP, "data_type": "bigint", "x-min": 0}
PERIOD = (
    "{periode} between '2000' and '2100' and case length({periode})"
    " when 7 then try_strptime({periode}, '%Y-%m') is not null"
    " when 4 then try_strptime({periode}, '%Y') is not null"
    " else false end"
)

MOYENS: dict[str, Any] = {
    "departement": {**KEEP, "x-format": "departement", "nullable": False},
    "periode": {**KEEP, "nullable": False, "x-check": [PERIOD, "n’est ni un mois ni une année"]},
    "effectif": {**COUNT, "nullable": False},
    "unites": COUNT,
    "budget_eur": {**KEEP, "data_type": "double", "x-min": 0},
}


@dlt.source
def moyens(pages: Iterable[Any] = ()) -> DltResource:
    """Yield the resource `moyens` from `pages`, tables of text read from CSV."""
    return dlt.resource(
        iter(pages), name="moyens", columns=MOYENS, primary_key=["departement", "periode"]
    )
