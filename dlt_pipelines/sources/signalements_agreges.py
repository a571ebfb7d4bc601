"""Aggregated reports: figures of the services that have no interface of their own.

Origin    : one CSV contract of ours (docs/contrats.md), filled by hand or by export: plainte en
            ligne, THESEE, PHAROS, Ma Sécurité, 17Cyber, cybermalveillance.gouv.fr.
Licence   : that of each service; internal unless it publishes them.
Grain     : one row per service, threat, public, département and period, the period being a day, a
            month or a year; what a service tells at two grains must never be added.
Personal  : none (counts).
"""

from collections.abc import Iterable
from typing import Any

import dlt
from dlt.sources import DltResource

SERVICES = ("plainte_en_ligne", "thesee", "pharos", "masecurite", "17cyber", "cybermalveillance")

KEEP = {"x-personal": "keep"}
WORD = {**KEEP, "nullable": False}
COUNT = {**KEEP, "data_type": "bigint", "x-min": 0}
# The same instant written for each grain: `2024-03-01`, `2024-03`, `2024`.
PERIOD = (
    "{periode} between '2000' and '2100' and case {grain}"
    " when 'jour' then length({periode}) = 10 and try_strptime({periode}, '%Y-%m-%d') is not null"
    " when 'mois' then length({periode}) = 7 and try_strptime({periode}, '%Y-%m') is not null"
    " when 'annee' then length({periode}) = 4 and try_strptime({periode}, '%Y') is not null"
    " else true end"
)

RELEVES: dict[str, Any] = {
    "service": {**WORD, "x-check": [f"{{service}} in {SERVICES}", "n’est pas un service connu"]},
    "periode": {**WORD, "x-check": [PERIOD, "ne correspond pas au grain annoncé"]},
    "grain": {
        **WORD,
        "x-check": ["{grain} in ('jour', 'mois', 'annee')", "n’est ni jour, ni mois, ni annee"],
    },
    # `00` is the whole country: a key has no empty part.
    "departement": {**WORD, "x-format": "departement"},
    "public": WORD,
    "menace": WORD,
    "nombre": {
        **COUNT,
        "x-check": [
            "{nombre} is not null or {consultations} is not null",
            "ni nombre ni consultations",
        ],
    },
    "consultations": COUNT,
}


@dlt.source
def signalements_agreges(pages: Iterable[Any] = ()) -> DltResource:
    """Yield the resource `releves` from `pages`, tables of text read from CSV."""
    return dlt.resource(
        iter(pages),
        name="releves",
        columns=RELEVES,
        primary_key=["service", "grain", "periode", "departement", "public", "menace"],
    )
