"""The word of the duty officer: the open signals, and a verdict added to the log of the depot."""

import csv
import os
import unicodedata
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from rich.box import SIMPLE_HEAD
from rich.table import Table

from dlt_pipelines import PARIS, privacy, stores

VERDICTS = ("vrai", "faux", "doublon", "à suivre")
HEADER = ("signal_id", "agent", "dit_at", "verdict", "mot", "debut_at")
NOW = "Remède : lancer `make build`."


class TriageError(ValueError):
    """What was said cannot be noted; the message (French) says why and what to do."""


def log() -> Path:
    """Return the file that receives the verdicts until the door takes them."""
    return stores.depot() / "triage" / "verdicts-commande.csv"


def note(signal_id: str, verdict: str, agent: str, word: str = "", began: str = "") -> str:
    """Add a verdict to the log; return the canonical word of it.

    The officer and the word are protected before they reach the disk; the door protects them again.

    Raises:
        TriageError: no published signal has this identifier, or the verdict is none.
    """
    known = {_bare(said): said for said in VERDICTS}
    if _bare(verdict) not in known:
        raise TriageError(
            f"« {verdict} » n'est pas un verdict. Remède : dire {', '.join(VERDICTS[:-1])} "
            f"ou « {VERDICTS[-1]} »."
        )
    signals = [name for (name,) in _ask("select signal_id from marts.fct_signaux")]
    if signal_id not in signals:
        near = get_close_matches(signal_id, signals, n=3)
        meant = f" Vouliez-vous dire {' ou '.join(near)} ?" if near else ""
        raise TriageError(
            f"Aucun signal publié ne s'appelle « {signal_id} ».{meant} Remède : lancer "
            "`python -m orchestration triage` sans argument, qui liste les signaux ouverts."
        )
    path = log()
    path.parent.mkdir(parents=True, exist_ok=True)
    [pseudonym] = privacy.pseudonymise_column(pa.chunked_array([[agent]])).to_pylist()
    row = (
        signal_id,
        pseudonym,
        datetime.now(UTC).isoformat(timespec="microseconds"),
        known[_bare(verdict)],
        privacy.redact(word),
        _instant(began),
    )
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        if not file.tell():
            writer.writerow(HEADER)
        writer.writerow(row)
    return known[_bare(verdict)]


def open_signals() -> Table:
    """Return the table of the signals that are not closed, the gravest first."""
    names = ("Signal", "Gravité", "État", "Depuis (à Paris)", "Lieu", "Ce que l'on voit")
    table = Table(*names, box=SIMPLE_HEAD, pad_edge=False)
    table.columns[0].no_wrap = True  # it is what the next command is given
    for identifier, severity, state, since, place, title in _ask(
        "select signal_id, gravite_label, etat_label, ouvert_at,"
        " coalesce(departements_codes, departement_code, 'France'), titre from marts.fct_signaux"
        " where clos_at is null order by gravite desc, ouvert_at desc"
    ):
        table.add_row(
            identifier,
            severity,
            state,
            f"{since.replace(tzinfo=UTC).astimezone(PARIS):%d/%m/%Y %H:%M}",
            place,
            title,
        )
    return table


def _ask(sql: str) -> list[tuple[Any, ...]]:
    if not stores.published().exists():
        raise TriageError(f"Aucune publication. {NOW}")
    try:
        with duckdb.connect(str(stores.published()), read_only=True) as connection:
            return connection.execute(sql).fetchall()
    except duckdb.CatalogException as absent:
        raise TriageError(f"La publication ne contient aucune table de signaux. {NOW}") from absent


def _bare(word: str) -> str:
    letters = unicodedata.normalize("NFD", word.strip().lower().replace("_", " "))
    return "".join(c for c in letters if not unicodedata.combining(c)).replace("-", " ")


def _instant(began: str) -> str:
    if not began:
        return ""
    try:
        instant = datetime.fromisoformat(began)
    except ValueError as unreadable:
        raise TriageError(
            f"« {began} » n'est pas un instant. Remède : l'écrire comme 2026-03-04T17:40."
        ) from unreadable
    return (instant if instant.tzinfo else instant.replace(tzinfo=PARIS)).isoformat()
