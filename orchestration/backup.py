"""Copies of the stores that can be trusted, and the way back.

A copy is a folder, readable without us: the stores as they lay in the data folder, and a manifest
with the digest of each file. It holds what cannot be made again; what people and services handed in
(`depot/`, not yet protected) and what a run rebuilds stay out of it.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlt_pipelines import registre, stores

MANIFEST = "manifeste.json"
PREFIX = "cyberimpact-"
LEFT_OUT = ("depot", "sandbox", "dlt", "dbt", "reports", "site", "logs", "verrous", "metriques")
# Who was erased since the copy stays erased: what is restored is added to the list that is there.
ADDED_TO = ("effacements.jsonl",)
ASIDE = "avant-restauration-"


class BackupError(RuntimeError):
    """A copy cannot be made, trusted or put back; cause and remedy, in French."""


def save(folder: Path, keep: int | None = None) -> Path:
    """Copy the stores into a new folder under `folder`, and return it.

    Waits for the end of a landing or a build, and holds back the next: no store is copied while it
    is written. SQLite files are copied by its backup API, Dagster at work.

    Args:
        folder: where copies are kept; on another disk, or they share its fate.
        keep: how many copies are left; older ones are deleted once the new one is whole.

    Raises:
        BackupError: there is nothing to save, or what was written is not what was read.
    """
    if not stores.raw().exists():
        raise BackupError(
            f"Aucun entrepôt dans {stores.data()}. Remède : vérifier CYBERIMPACT_DATA."
        )
    folder.mkdir(parents=True, exist_ok=True)
    made_at = datetime.now(UTC)
    copy = folder / f"{PREFIX}{made_at:%Y%m%d-%H%M%S}"
    part = folder / f".{copy.name}.part"
    for killed in folder.glob(f".{PREFIX}*.part"):
        shutil.rmtree(killed)
    part.mkdir(mode=0o700)
    try:
        with registre.WRITER:
            files = {name: _copy(path, part / name) for name, path in _kept()}
        for name, told in files.items():
            if _digest(part / name) != told["sha256"]:
                raise BackupError(
                    f"La copie de {name} diffère de l'original. Remède : vérifier le disque de "
                    f"{folder}, puis relancer."
                )
        manifest = {"version": 1, "made_at": made_at.isoformat(timespec="seconds"), "files": files}
        (part / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
        (part / MANIFEST).chmod(0o600)
        os.sync()
        part.rename(copy)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    if keep:
        for old in sorted(folder.glob(f"{PREFIX}*"))[:-keep]:
            shutil.rmtree(old)
    return copy


def check(copy: Path) -> dict[str, Any]:
    """Return the manifest of a copy whose every file is there, as it was, and nothing else.

    Raises:
        BackupError: the copy is damaged or was changed.
    """
    remedy = "Remède : prendre une autre sauvegarde ; celle-ci ne remplacera rien."
    try:
        manifest: dict[str, Any] = json.loads((copy / MANIFEST).read_text("utf-8"))
        files = {str(name): str(told["sha256"]) for name, told in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{copy} n'a pas de manifeste lisible. {remedy}") from error
    links = [path for path in copy.rglob("*") if path.is_symlink()]
    found = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    wrong = sorted(found ^ {*files, MANIFEST}) + [str(path.relative_to(copy)) for path in links]
    wrong += [name for name in sorted(found & files.keys()) if _digest(copy / name) != files[name]]
    if wrong:
        raise BackupError(f"{copy} est endommagée : {', '.join(wrong[:5])}. {remedy}")
    return manifest


def restore(copy: Path, replace: bool = False) -> Path | None:
    """Put a copy back in the data folder; return where what it replaced lies, if anything.

    Args:
        copy: a folder made by `save`.
        replace: set aside what is there, instead of refusing to touch it.

    Raises:
        BackupError: the copy is damaged, or a run goes on, or there is something to replace.
    """
    manifest = check(copy)
    data = stores.data()
    data.mkdir(parents=True, exist_ok=True)
    with registre.WRITER:
        if _runs_go_on():
            raise BackupError(
                "Un run est en cours. Remède : arrêter Dagster (`systemctl stop "
                "cyberimpact-code`), puis relancer."
            )
        if stores.raw().exists() and not replace:
            raise BackupError(
                f"{data} contient déjà un entrepôt. Remède : `--remplacer`, qui le met de côté."
            )
        stamp = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
        staged = data / f".restauration-{stamp}"
        try:
            staged.mkdir(mode=0o700)
            for name, told in manifest["files"].items():
                if _copy(copy / name, staged / name)["sha256"] != told["sha256"]:
                    raise BackupError(
                        f"{name} se lit mal. Remède : vérifier le disque, puis relancer."
                    )
            return _swap(staged, data, data / f"{ASIDE}{stamp}")
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def _swap(staged: Path, data: Path, aside: Path) -> Path | None:
    for name in ADDED_TO:
        if (staged / name).exists() and (data / name).exists():
            there = (data / name).read_text("utf-8").splitlines()
            more = [
                line
                for line in (staged / name).read_text("utf-8").splitlines()
                if line not in there
            ]
            (staged / name).write_text("".join(f"{line}\n" for line in there + more), "utf-8")
    # With its folders goes what dlt was about to load, and with a store the log of its last writes,
    # which DuckDB would play again on the restored one.
    gone = [path for path in data.iterdir() if _is_kept(path) or path.name == "dlt"]
    if gone:
        aside.mkdir(mode=0o700)
        for path in gone:
            path.rename(aside / path.name)
    for path in staged.iterdir():
        path.rename(data / path.name)
    parquet = stores.published_parquet()
    if parquet.is_dir() and not parquet.is_symlink():
        real = parquet.rename(parquet.with_name(f".{parquet.name}-restored"))
        parquet.symlink_to(real.name)
        stores.share(stores.published(), real)
    return aside if gone else None


def _kept() -> Iterator[tuple[str, Path]]:
    """Return the files to save, by their name in the data folder; links are followed."""
    for top in sorted(stores.data().iterdir()):
        if not _is_kept(top):
            continue
        paths = [top] if top.is_file() else sorted(Path(top).rglob("*"))
        if top.name == "published":  # the publication, not the one before nor the one to come
            paths = [stores.published(), *sorted(stores.published_parquet().glob("*.parquet"))]
        for path in paths:
            transient = path.suffix == ".lock" or path.name.endswith(("-wal", "-shm"))
            if path.is_file() and not transient:
                yield str(path.relative_to(stores.data())), path


def _is_kept(path: Path) -> bool:
    name = path.name
    return not name.startswith((".", "site-", ASIDE)) and name not in LEFT_OUT


def _copy(source: Path, target: Path) -> dict[str, Any]:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if source.suffix in (".db", ".sqlite"):
        target.touch(mode=0o600)
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as read,
            closing(sqlite3.connect(target)) as written,
        ):
            read.backup(written)
        digest = _digest(target)
    else:
        hashed = hashlib.sha256()
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with source.open("rb") as read_from, os.fdopen(descriptor, "wb") as write_to:
            while block := read_from.read(1 << 20):
                hashed.update(block)
                write_to.write(block)
        shutil.copystat(source, target)  # a mark knows its products by their time
        target.chmod(0o600)
        digest = hashed.hexdigest()
    return {"bytes": target.stat().st_size, "sha256": digest}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _runs_go_on() -> bool:
    for path in (stores.dagster_home() / "en_cours").glob("*.lock"):
        with path.open() as lock:
            if not registre.taken(lock):
                return True
            fcntl.flock(lock, fcntl.LOCK_UN)
    return False
