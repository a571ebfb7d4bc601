"""Where everything the system writes lies: one folder, `data/` or `$CYBERIMPACT_DATA`."""

import os
from contextlib import closing
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[1]


def data() -> Path:
    """Return the folder that holds every store, as an absolute path."""
    return Path(os.environ.get("CYBERIMPACT_DATA") or ROOT / "data").resolve()


def depot() -> Path:
    """Return the drop folder: `depot/<source>/` receives files from people."""
    return data() / "depot"


def raw() -> Path:
    return data() / "raw.duckdb"


def warehouse() -> Path:
    return data() / "warehouse.duckdb"


def published() -> Path:
    return data() / "published" / "cyberimpact.duckdb"


def published_parquet() -> Path:
    return data() / "published" / "parquet"


def site() -> Path:
    return data() / "site"


def dagster_home() -> Path:
    return data() / "dagster"


def cog_package() -> Path:
    """Return the npm package that carries the Code officiel géographique (JSON files)."""
    return ROOT / "reports/node_modules/@etalab/decoupage-administratif/data"


def connect(path: Path, read_only: bool = False, storage: str = "") -> duckdb.DuckDBPyConnection:
    """Open a store; `storage` is the version of the format of a new one."""
    config = {"storage_compatibility_version": storage} if storage else {}
    return duckdb.connect(path, read_only=read_only, config={**config})


def rewrite(path: Path, storage: str) -> None:
    """Write a DuckDB file anew, in one step for its readers.

    DuckDB leaves in a file the bytes of what was deleted from it. The caller keeps writers away.
    """
    fresh = path.with_suffix(".fresh")
    fresh.unlink(missing_ok=True)  # with what a rewriting that was killed left
    with closing(duckdb.connect()) as connection:
        connection.execute(f"attach '{_quoted(path)}' as old")
        connection.execute(f"attach '{_quoted(fresh)}' as fresh (storage_version '{storage}')")
        connection.execute("copy from database old to fresh")
    os.replace(fresh, path)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
