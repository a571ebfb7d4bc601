"""Triage: what duty officers say of the signals they were shown.

Origin    : one CSV contract of ours (docs/contrats.md), filled by `orchestration triage`.
Licence   : internal.
Grain     : one row per signal, officer and instant; never rewritten, the last one holds.
Personal  : who says it (pseudonymised); the word, redacted as any text that somebody types.
"""

from collections.abc import Iterable
from typing import Any

import dlt
from dlt.sources import DltResource

KEEP = {"x-personal": "keep"}

VERDICTS: dict[str, Any] = {
    "signal_id": {
        **KEEP,
        "nullable": False,
        "x-check": [
            "regexp_matches({signal_id}, '^[A-Za-z0-9_:-]{4,80}$')",
            "n’est pas l’identifiant d’un signal",
        ],
    },
    "agent": {"x-personal": "pseudonymise", "nullable": False},
    "dit_at": {**KEEP, "data_type": "timestamp", "nullable": False, "x-names": ["dit_le"]},
    "verdict": {
        **KEEP,
        "nullable": False,
        "x-check": [
            "strip_accents(lower({verdict})) in ('vrai', 'faux', 'doublon', 'a suivre')",
            "n’est ni vrai, ni faux, ni doublon, ni à suivre",
        ],
    },
    "mot": {},
    "debut_at": {
        **KEEP,
        "data_type": "timestamp",
        "x-names": ["debut"],
        "x-check": ["{debut_at} <= {dit_at}", "postérieur au verdict"],
    },
}


@dlt.source
def triage(pages: Iterable[Any] = ()) -> DltResource:
    """Yield the resource `verdicts` from `pages`, tables of text read from CSV."""
    return dlt.resource(
        iter(pages),
        name="verdicts",
        columns=VERDICTS,
        primary_key=["signal_id", "agent", "dit_at"],
    )
