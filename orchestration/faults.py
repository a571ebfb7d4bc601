"""What an error means to the person who meets it: a cause and a remedy, in French."""

import os
import re
from importlib.util import find_spec

import duckdb

from dlt_pipelines import stores

GENERIC = "relancer ; si l'erreur revient, lire le journal et signaler l'anomalie."
LOCK = "fermer le programme qui tient ce fichier, ou attendre la fin de son run ; relancer."

# Pattern of the message of an error -> cause, remedy.
KNOWN = {
    r"No space left|disk I/O error|database or disk is full|Disk quota": (
        "le disque est plein",
        "libérer de la place, puis relancer : rien n'est perdu ni doublé.",
    ),
    r"Permission denied|Read-only file system|readonly database|unable to open database": (
        "le dossier de données ne se laisse pas écrire",
        "donner le droit d'y écrire, ou en nommer un autre dans CYBERIMPACT_DATA ; relancer.",
    ),
    r"Not a directory|File exists": (
        "un fichier est là où un dossier est attendu",
        "le déplacer, ou nommer un autre dossier dans CYBERIMPACT_DATA ; relancer.",
    ),
    r"not a valid DuckDB|[Cc]orrupt|[Cc]hecksum|Serialization|Could not read enough bytes": (
        "un fichier est tronqué ou illisible",
        "le supprimer (ou le reprendre d'une sauvegarde), puis lancer `make build` : tout ce qui "
        "vient du dépôt et des sources est repris.",
    ),
}


class SettingError(ValueError):
    """A variable says what nothing can be made of; cause and remedy, in French."""


def check_settings() -> None:
    """Refuse at once what would fail far from its cause, once the sources have landed.

    Raises:
        SettingError: an engine, a memory or a number of threads that is none, or Spark is not here.
    """
    engine, memory, threads = (
        os.environ.get(f"CYBERIMPACT_{name}") for name in ("ENGINE", "MEMORY", "THREADS")
    )
    if engine and engine not in ("duckdb", "spark"):
        raise _misset("CYBERIMPACT_ENGINE", engine, "« duckdb » ou « spark »")
    if engine == "spark" and not find_spec("dbt.adapters.spark"):
        raise SettingError(
            "CYBERIMPACT_ENGINE vaut « spark », et cet environnement Python est sans Spark. "
            "Remède : `make .venv-cluster/.installed`, puis la même commande par "
            ".venv-cluster/bin/python (docs/spark.md) ; ou retirer CYBERIMPACT_ENGINE."
        )
    if memory:
        try:
            duckdb.connect(config={"memory_limit": memory}).close()
        except duckdb.Error:
            raise _misset("CYBERIMPACT_MEMORY", memory, "une taille comme « 2GB »") from None
    if threads and not (threads.isdecimal() and int(threads)):
        raise _misset("CYBERIMPACT_THREADS", threads, "un nombre de fils, 1 au moins")


def _misset(name: str, value: str, wanted: str) -> SettingError:
    return SettingError(
        f"{name} vaut « {value} ». Remède : y mettre {wanted}, ou retirer la variable."
    )


def explain(said: str) -> tuple[str, str]:
    """Return the cause and the remedy in the message of an error."""
    cause, _, remedy = said.partition("Remède : ")
    cause, remedy = cause.strip()[:2000], remedy.strip()
    if "lock on file" in cause:
        return cause, LOCK
    if remedy:
        return cause, remedy
    if found := known(cause):
        return f"{found[0]}, sous {stores.data()}\n{cause}", found[1]
    return cause, GENERIC


def known(said: str) -> tuple[str, str] | None:
    """Return the known cause and remedy that a message tells of, if any."""
    return next((told for pattern, told in KNOWN.items() if re.search(pattern, said)), None)


def behind(error: BaseException) -> str:
    """Return the message of an error said in French, made precise by what lies behind it.

    Only the known cause is added: a message from behind may hold a value that must not be shown.
    """
    cause = str(error).partition("Remède : ")[0]
    link: BaseException | None = error
    while link:
        if found := known(str(link)):
            return f"{cause.strip()} : {found[0]}, sous {stores.data()}\nRemède : {found[1]}"
        link = link.__cause__ or link.__context__
    return str(error)
