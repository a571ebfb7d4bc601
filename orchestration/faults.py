"""What an error means to the person who meets it: a cause and a remedy, in French."""

import re

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


def explain(said: str) -> tuple[str, str]:
    """Return the cause and the remedy in the message of an error."""
    cause, _, remedy = said.partition("Remède : ")
    cause, remedy = cause.strip()[:2000], remedy.strip()
    if "lock on file" in cause:
        return cause, LOCK
    # What is known comes before the remedy of a room that met it as an unexpected error.
    for pattern, (known, known_remedy) in KNOWN.items():
        if re.search(pattern, cause):
            return f"{known}, sous {stores.data()}\n{cause}", known_remedy
    return cause, remedy or GENERIC
