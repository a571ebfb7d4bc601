"""The record of processing (GDPR, article 30), drawn from what catalogue and columns declare."""

from collections.abc import Iterable, Mapping
from typing import Any

from dlt_pipelines import privacy
from dlt_pipelines.catalog import CATALOG, KEPT_DAYS, PROCESSINGS, Source
from dlt_pipelines.door import Column, Door

FOREVER = "sans limite : rien n’y dit qui que ce soit"
FATES = {
    privacy.REDACT: "Texte où ce qui identifie est masqué à l’entrée",
    privacy.PSEUDONYMISE: "Identifiant remplacé à l’entrée par un pseudonyme (HMAC à clé)",
    privacy.DROP: "Reçu, jamais gardé",
    privacy.KEEP: "Référence de la ligne chez sa source",
}
MEASURES = (
    "Masquage et pseudonymes avant toute écriture sur le disque ; rien de brut n’est conservé",
    "Clé des pseudonymes hors du dépôt de code, changée sans perdre les liens (rotate-key)",
    "Fichiers en 0600, dossiers en 0700 ; chiffrement AES-256 des données brutes et de "
    "l’entrepôt quand une clé est donnée",
    "Aucun compte de moins de 5 personnes publié, ni rien qui le donne ; chaque publication est "
    "attaquée avant d’être servie",
    "Purge quotidienne de ce qui a dépassé sa durée ; effacement d’une personne sur demande, "
    "vérifié fichier par fichier",
    "Aucun transfert hors de la machine : ni compte, ni télémétrie",
)
FILES = {
    "depot": "Fichiers déposés, une fois pris (sources qui disent des personnes)",
    "quarantaine": "Place et motif des lignes écartées, jamais leur valeur",
    "fichiers": "Noms des fichiers reçus",
    "echecs": "Messages des prises en échec",
    "journaux": "Journaux",
    "runs": "Historique de Dagster",
}


def rows(source: Source, doors: Mapping[str, Door]) -> list[dict[str, Any]]:
    """Return a row per column of `source` that is of a person, or could be; one if there is none.

    `doors` is table → door.
    """
    processing = PROCESSINGS[source.pillar]
    common = {
        "source": source.name,
        "traitement": processing.label,
        "finalite": processing.purpose,
        "base_legale": processing.basis,
        "personnes": source.persons,
        "destinataires": processing.recipients,
    }
    found: list[dict[str, Any]] = [
        {
            **common,
            "table_name": table,
            "colonne": column.name,
            "categorie": FATES[column.personal],
            "conservation_jours": _days(source, table, column),
        }
        for table, door in doors.items()
        for column in _personal(source, door)
    ]
    nothing = dict.fromkeys(("table_name", "colonne"), "") | {"categorie": "Aucune"}
    return [
        {**row, "conservation": said(row.get("conservation_jours"), row["categorie"])}
        for row in found or [common | nothing]
    ]


def record(doors: Mapping[str, Mapping[str, Door]]) -> dict[str, Any]:
    """Return the whole record, as JSON has it; `doors` is source → table → door."""
    return {
        "responsable": "Gendarmerie nationale",
        "mesures_de_securite": MEASURES,
        "transferts_hors_union": "Aucun",
        "traitements": [
            {
                "traitement": processing.label,
                "finalite": processing.purpose,
                "base_legale": processing.basis,
                "destinataires": processing.recipients,
                "sources": [
                    {
                        "source": source.name,
                        "libelle": source.label,
                        "origine": source.url,
                        "licence": source.licence,
                        "personnes": source.persons,
                        "donnees": [
                            {name: row[name] for name in DATA}
                            for row in rows(source, doors[source.name])
                            if row["colonne"]
                        ],
                    }
                    for source in CATALOG.values()
                    if source.pillar == pillar
                ],
            }
            for pillar, processing in PROCESSINGS.items()
        ],
        "fichiers_techniques": [
            {"fichiers": FILES[name], "conservation_jours": days}
            for name, days in KEPT_DAYS.items()
        ],
    }


DATA = ("table_name", "colonne", "categorie", "conservation_jours", "conservation")


def said(days: int | None, category: str) -> str:
    """Return a duration as people say it."""
    if category == FATES[privacy.DROP]:
        return "jamais gardé"
    if days is None:
        return FOREVER
    years, rest = divmod(days, 365)
    return f"{years} an{'s' * (years > 1)}" if years and not rest else f"{days} jours"


def _personal(source: Source, door: Door) -> Iterable[Column]:
    for column in door.columns:
        is_treated = column.personal == privacy.DROP or (
            column.data_type == "text" and column.personal != privacy.KEEP
        )
        if is_treated or column.name == source.reference(door.table):
            yield column


def _days(source: Source, table: str, column: Column) -> int | None:
    retention = source.retention.get(table)
    if retention is None or column.personal == privacy.DROP:
        return None
    return retention.texts.get(column.name, retention.days)
