"""Percev@l: reports of bank-card fraud.

Origin    : JSON file exported by the service, Gendarmerie nationale; each file tells all it knows.
Licence   : internal.
Grain     : four streams: counts by day, by département and month, by age and month; amount by day.
Personal  : none (counts).
"""

from collections.abc import Iterable, Iterator
from typing import Any

import dlt
from dlt.sources import DltResource

KEEP = {"x-personal": "keep"}
COUNT = {**KEEP, "data_type": "bigint", "nullable": False, "x-min": 0}
DAY = {
    **KEEP,
    "data_type": "date",
    "nullable": False,
    "x-check": ["{day} <= current_date + 1", "est dans le futur"],
}
MONTH = {**KEEP, "x-format": "mois", "nullable": False}

# Stream → its columns: one level of the document each, then the figure.
STREAMS: dict[str, Any] = {
    "nb_report_day": {"day": DAY, "count": COUNT},
    "amount_of_money_day": {
        "day": DAY,
        "amount": {**KEEP, "data_type": "double", "nullable": False, "x-min": 0},
    },
    "dpt_report_month": {
        "month": MONTH,
        "dpt_code": {**KEEP, "x-format": "departement", "nullable": False},
        "count": COUNT,
    },
    "age_categories_month": {
        "month": MONTH,
        "age_cat": {**KEEP, "nullable": False},
        "count": COUNT,
    },
}


def recognise(document: Any) -> None:
    """Raise ValueError, in French, when `document` is not a Percev@l file."""
    if not isinstance(document, dict):
        raise ValueError("le document JSON n’est pas un objet")
    if missing := [stream for stream in STREAMS if not isinstance(document.get(stream), dict)]:
        raise ValueError(f"séries absentes ou illisibles : {', '.join(missing)}")


@dlt.source
def perceval(documents: Iterable[tuple[str, Any]] = ()) -> Iterable[DltResource]:
    """Yield one resource a stream from `documents`, pairs of file name and JSON document."""
    for stream, columns in STREAMS.items():
        yield dlt.resource(
            _pages(documents, stream, list(columns)),
            name=stream,
            columns=columns,
            primary_key=list(columns)[:-1],
        )


def _pages(documents: Iterable[tuple[str, Any]], stream: str, names: list[str]) -> Iterator[Any]:
    for file_name, document in documents:
        yield {
            "whence": file_name,
            "records": [
                dict(zip(names, row, strict=True))
                for row in _rows(document[stream], depth=len(names) - 1)
            ],
        }


def _rows(figures: Any, depth: int) -> Iterator[tuple[Any, ...]]:
    for key, value in figures.items():
        if depth == 1:
            yield key, value
        elif isinstance(value, dict):
            yield from ((key, *rest) for rest in _rows(value, depth - 1))
        else:  # a month without its parts: the row is incomplete, and says so in quarantine
            yield (key, *(None,) * depth)
