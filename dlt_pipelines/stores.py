"""Where everything the system writes lies: one folder, `data/` or `$CYBERIMPACT_DATA`."""

import hashlib
import os
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parents[1]
MEMORY = "2GB"  # of DuckDB, as in profiles.yml
FLAGS = 20  # place in a DuckDB file of the byte whose last bit says that it is encrypted


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


def lake() -> str:
    """Return where a cluster reads and writes: a folder that all its machines see, or a URL."""
    return os.environ.get("CYBERIMPACT_LAKE") or str(data() / "lac")


def published() -> Path:
    return data() / "published" / "cyberimpact.duckdb"


def published_parquet() -> Path:
    return data() / "published" / "parquet"


def published_csv() -> Path:
    return data() / "published" / "csv"


def site() -> Path:
    return data() / "site"


def dagster_home() -> Path:
    return data() / "dagster"


def cog_package() -> Path:
    """Return the npm package that carries the Code officiel géographique (JSON files)."""
    return ROOT / "reports/node_modules/@etalab/decoupage-administratif/data"


class StoreKeyError(RuntimeError):
    """A store and its key do not fit; cause and remedy, in French, and nothing of the key."""


def key() -> str:
    """Return the key of the raw store and of the warehouse, empty when they are not encrypted.

    It is the SHA-256 of the one given, in hexadecimal digits: DuckDB takes no accent in a key.
    """
    given = os.environ.get("CYBERIMPACT_STORE_KEY", "")
    if file := os.environ.get("CYBERIMPACT_STORE_KEY_FILE"):
        given = Path(file).read_text(encoding="utf-8").strip()
    return derived(given)


def derived(given: str) -> str:
    return hashlib.sha256(given.encode()).hexdigest() if given else ""


def connect(path: Path, read_only: bool = False, storage: str = "") -> duckdb.DuckDBPyConnection:
    """Open the raw store or the warehouse; `storage` is the format version of a new file.

    Raises:
        StoreKeyError: the key is missing, wrong, or given for a file that is not encrypted.
    """
    if key() or _is_encrypted(path):
        connection = duckdb.connect(
            config={"temp_file_encryption": True, "temp_directory": f"{path}.tmp"}
        )
        try:
            attach(connection, path, path.stem, read_only, storage)
            connection.execute(f'use "{path.stem}"')
        except BaseException:
            connection.close()
            raise
        return connection
    config = {"storage_compatibility_version": storage} if storage else {}
    connection = duckdb.connect(path, read_only=read_only, config={**config})
    _set_up(connection)
    return connection


def attach(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    alias: str,
    read_only: bool = False,
    storage: str = "",
    under: str | None = None,
) -> None:
    """Attach a store to `connection`, decrypted with the key, or with the one it is `under`.

    Raises:
        StoreKeyError: as `connect` does.
    """
    _set_up(connection)
    for statement in attaching(path, alias, read_only, storage, under):
        try:
            connection.execute(statement)
        except (duckdb.InvalidInputException, duckdb.CatalogException) as error:
            if "encrypt" not in str(error):
                raise
            # Not `from error`: DuckDB may quote the statement, and with it the key.
            raise StoreKeyError(unfit(path, str(error))) from None


def _set_up(connection: duckdb.DuckDBPyConnection) -> None:
    # It would keep what it read in most of the RAM.
    connection.execute("set memory_limit = ?", [os.environ.get("CYBERIMPACT_MEMORY") or MEMORY])
    connection.execute("set enable_progress_bar = false")  # ours tells progress, in French


def attaching(
    path: Path,
    alias: str,
    read_only: bool = False,
    storage: str = "",
    under: str | None = None,
) -> list[str]:
    """Return the SQL that attaches a store; it holds the key.

    Raises:
        StoreKeyError: what DuckDB needs to write an encrypted file is not installed.
    """
    secret = key() if under is None else under
    options = [
        *(["read_only"] if read_only else []),
        *([f"storage_version '{storage}'"] if storage else []),
        *([f"encryption_key '{secret}'"] if secret else []),
    ]
    told = f" ({', '.join(options)})" if options else ""
    ciphers = [_loading()] if secret and not read_only else []
    return [*ciphers, f"attach '{_quoted(path)}' as \"{alias}\"{told}"]


def load_cipher(connection: duckdb.DuckDBPyConnection) -> None:
    """Let `connection` write encrypted files: DuckDB by itself only reads them."""
    connection.execute(_loading())


def _loading() -> str:
    package = find_spec("duckdb_extension_httpfs")
    folders = package.submodule_search_locations if package else None
    name = f"extensions/v{duckdb.__version__}/httpfs.duckdb_extension"
    found = [path for folder in folders or () if (path := Path(folder) / name).exists()]
    if not found:
        raise StoreKeyError(
            "écrire des données chiffrées demande le paquet duckdb-extension-httpfs, en version "
            f"{duckdb.__version__} comme DuckDB\nRemède : lancer `make install`"
        )
    return f"load '{_quoted(found[0])}'"


def rewrite(path: Path, storage: str, before: str | None = None) -> None:
    """Write a store anew, in one step for its readers, under the key.

    DuckDB leaves in a file the bytes of what was deleted from it. The caller keeps writers away.

    Args:
        path: the store.
        storage: format version of the new file.
        before: key that the store is under, "" if none; that of today by default.
    """
    fresh = path.with_suffix(".fresh")
    fresh.unlink(missing_ok=True)  # with what a rewriting that was killed left
    with closing(duckdb.connect()) as connection:
        attach(connection, path, "old", under=before)
        attach(connection, fresh, "fresh", storage=storage)
        connection.execute("copy from database old to fresh")
    os.replace(fresh, path)


def secure() -> None:
    """Close the data folder, and what this process writes from now on, to every other user."""
    os.umask(0o077)
    data().mkdir(parents=True, exist_ok=True)
    data().chmod(0o700)
    _open_folder(data())


def share(*folders: Path) -> None:
    """Let the readers that `CYBERIMPACT_READERS` names read what is published: groupe or tous.

    The group is that of the data folder, which this account must be of too.
    """
    if not _bits():
        return
    group = data().stat().st_gid
    for folder in folders:
        for above in folder.parents:
            if data() in above.parents:
                _open_folder(above)
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                if path.stat().st_gid != group:
                    os.chown(path, -1, group)
                path.chmod(path.stat().st_mode | _bits() & (0o055 if path.is_dir() else 0o044))


def _open_folder(folder: Path) -> None:
    """Let readers through a folder on the way to what they may read, without listing it."""
    if _bits() and folder.stat().st_gid != data().stat().st_gid:
        os.chown(folder, -1, data().stat().st_gid)
    folder.chmod(folder.stat().st_mode | _bits() & 0o011)


def _bits() -> int:
    return {"groupe": 0o050, "tous": 0o055}.get(os.environ.get("CYBERIMPACT_READERS", ""), 0)


def _is_encrypted(path: Path) -> bool:
    """Say whether a DuckDB file is encrypted, without opening it."""
    try:
        with path.open("rb") as file:
            header = file.read(64)
    except OSError:
        return False
    return len(header) == 64 and bool(header[FLAGS] & 1)


def unfit(path: Path, said: str) -> str:
    if "Wrong encryption key" in said:
        return (
            f"{path.name} : la clé de chiffrement n’est pas la bonne\n"
            "Remède : donner dans CYBERIMPACT_STORE_KEY la clé sous laquelle il a été écrit"
        )
    if "without a key" in said:
        return (
            f"{path.name} est chiffré, et aucune clé n’est donnée\n"
            "Remède : donner sa clé dans CYBERIMPACT_STORE_KEY"
        )
    return (
        f"{path.name} n’est pas chiffré, alors qu’une clé est donnée\n"
        "Remède : lancer `python -m orchestration encrypt`"
    )


def _quoted(text: object) -> str:
    return str(text).replace("'", "''")
