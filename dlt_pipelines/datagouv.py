"""Datasets of data.gouv.fr: files that we fetch ourselves, when they have changed.

A source is fed so once its settings name a `dataset` (id or slug) and, where the dataset holds
several files, a `resource` (its id, or words of its title or address).
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from requests import Session

from dlt_pipelines import depot


@dataclass(frozen=True)
class Resource:
    """One file of a dataset; `version` changes with its date or its content."""

    title: str
    url: str
    version: str


def resolve(session: Session, base_url: str, dataset: str, wanted: str = "") -> Resource:
    """Return the CSV of `dataset` that `wanted` names, the latest one if it names several.

    Raises:
        LookupError: no CSV of the dataset bears that name; the message is in French.
    """
    response = session.get(f"{base_url}/datasets/{dataset}/")
    response.raise_for_status()
    files = [file for file in response.json()["resources"] if _is_csv(file)]
    named = [file for file in files if wanted in (file["id"], "") or _bears(file, wanted.split())]
    if not named:
        raise LookupError(
            f"le jeu de données {dataset} n’a pas de CSV « {wanted} » ; il a : "
            + (", ".join(f"« {file['title']} »" for file in files) or "aucun CSV")
        )
    latest = max(named, key=lambda file: file.get("last_modified") or "")
    checksum = (latest.get("checksum") or {}).get("value") or ""
    return Resource(
        title=latest["title"],
        url=latest["url"],
        # The date first: the ledger keeps the greatest of the versions it has seen.
        version=f"{latest.get('last_modified') or ''} {checksum[:12]}".strip(),
    )


def fetch(session: Session, resource: Resource) -> depot.File:
    """Download `resource` into memory: what is unprotected never touches the disk."""
    with session.get(resource.url, stream=True) as response:
        response.raise_for_status()
        content = bytearray()
        for piece in response.iter_content(1024**2):
            content += piece
            if len(content) > depot.MAX_BYTES:  # enough for the depot to refuse it
                break
        name = PurePosixPath(urlsplit(response.url).path).name
    return depot.File.received(name if "." in name else f"{resource.title}.csv", bytes(content))


def _is_csv(file: dict[str, Any]) -> bool:
    return (file.get("format") or "").lower() == "csv" or file["url"].lower().endswith(".csv")


def _bears(file: dict[str, Any], words: list[str]) -> bool:
    told = f"{file['title']} {file['url']}".lower()
    return bool(words) and all(word.lower() in told for word in words)
