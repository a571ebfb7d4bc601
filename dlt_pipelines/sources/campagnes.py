"""Campaigns: what was done to warn the public, when, how and where.

Origin    : one CSV contract of ours (docs/contrats.md), filled by those who run the campaigns.
Licence   : internal.
Grain     : one row per campaign.
Personal  : none wanted; theme and channel are redacted, as any text that somebody types.
"""

from collections.abc import Iterable
from typing import Any

import dlt
from dlt.sources import DltResource

KEEP = {"x-personal": "keep"}
DAY = {**KEEP, "data_type": "date", "nullable": False}
CODE = r"(0[1-9]|[1-8]\d|9[0-5]|2[AB]|97[1-8]|98[4-9])"

CAMPAGNES: dict[str, Any] = {
    "campagne_id": {**KEEP, "nullable": False},
    "debut": DAY,
    "fin": {**DAY, "x-check": ["{fin} >= {debut}", "antérieure au début"]},
    "theme": {"nullable": False},
    "canal": {},
    "departements": {
        **KEEP,
        "nullable": False,
        "x-check": [
            f"regexp_matches({{departements}}, '^(00|{CODE}([ ,]+{CODE})*)$')",
            "n’est pas une liste de codes de départements",
        ],
    },
    "cout_eur": {**KEEP, "data_type": "double", "x-min": 0},
}


@dlt.source
def campagnes(pages: Iterable[Any] = ()) -> DltResource:
    """Yield the resource `campagnes` from `pages`, tables of text read from CSV."""
    return dlt.resource(iter(pages), name="campagnes", columns=CAMPAGNES, primary_key="campagne_id")
