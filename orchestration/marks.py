"""What is already done, so that a second run does only what changed.

A mark holds the fingerprint of what a step was made from. A step forgets its mark before it writes
and puts it back after it ended well: one killed half way never looks done. It also holds what the
products looked like, so that one spoiled since is made again.
"""

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from dlt_pipelines import stores


def fingerprint(*parts: object) -> str:
    """Return one digest of parts that have a stable `repr`."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def files(root: Path, leave_out: Collection[str] = ()) -> str:
    """Return the digest of names and contents under `root`, without the folders `leave_out`."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in leave_out]
        found += [Path(folder, name) for name in names]
    return fingerprint(
        *[
            (str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(found)
        ]
    )


def get(step: str, made_from: str | None, *products: Path) -> Any | None:
    """Return the note left by `step` if its products stand as it left them, made from the same."""
    mark = _read(step)
    if mark["made_from"] is None or mark["made_from"] != made_from:
        return None
    return mark["note"] if mark.get("products") == _looks(products) else None


def made_from(step: str) -> str | None:
    """Return what `step` was last made from, or None if it is not done."""
    found: str | None = _read(step)["made_from"]
    return found


def put(step: str, made_from: str | None, note: Any, *products: Path) -> None:
    """Say that `step` ended well and left `products`.

    `note` is what it would report if asked again.
    """
    _path(step).parent.mkdir(parents=True, exist_ok=True)
    mark = {"made_from": made_from, "note": note, "products": _looks(products)}
    _path(step).write_text(json.dumps(mark))


def forget(step: str) -> None:
    _path(step).unlink(missing_ok=True)


def _looks(products: Collection[Path]) -> list[list[Any]] | None:
    """Return name, size and time of the files of the products; None if one is not there.

    A digest would read the whole warehouse; a file cut short or touched shows without it.
    """
    found: list[list[Any]] = []
    for product in products:
        if not product.exists():
            return None
        for path in sorted(product.iterdir()) if product.is_dir() else [product]:
            stat = path.stat()
            found.append([path.name, stat.st_size, stat.st_mtime_ns])
    return found


def _read(step: str) -> dict[str, Any]:
    try:
        mark: dict[str, Any] = json.loads(_path(step).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {"made_from": None}
    return mark


def _path(step: str) -> Path:
    return stores.data() / "etat" / f"{step}.json"
