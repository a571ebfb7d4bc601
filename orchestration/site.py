"""The report site: built by Evidence from the published marts, swapped in whole, served."""

import base64
import gzip
import hashlib
import json
import mimetypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import duckdb
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dlt_pipelines import landings, registre, stores, traitements
from dlt_pipelines.catalog import CATALOG

REPORTS = stores.ROOT / "reports"

SECURITY = {
    # Scripts written in a page are allowed one by one: see `_seal`.
    "content-security-policy": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

# Evidence ends with 0 when a query of a page failed: only its log tells.
QUERY_ERROR = re.compile(
    r"Error in |(Catalog|Binder|Parser|Conversion|Out of Range|Invalid Input) Error"
)
STACK_FRAME = re.compile(r"at .*:\d+:\d+\)?$|Node\.js v|\(Use `node|throw `|file://")
SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD")
ROWS_READ = re.compile(r"(\S+) ✔ Finished, wrote (\d+) rows")  # by Evidence, of a mart
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
DOWNLOADS = ("parquet", "csv")  # folders beside the publication, one file per table
COMPRESSED = (".html", ".js", ".css", ".json", ".svg", ".wasm")  # Parquet is, in itself
HASHED = re.compile(r"/_app/immutable/|/data/.*/[0-9a-f]{32}/")
MART = re.compile(r"\bmarts\.([a-z]\w*)")


# Stands between the build and its tools: killed with the build, even by `kill -9`, it takes along
# node and the children of node, which would go on writing in a folder that the next run deletes.
KEEPER = """
import ctypes, os, signal, subprocess, sys
def end(*_):
    os.killpg(0, signal.SIGKILL)
signal.signal(signal.SIGTERM, end)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
if os.getppid() != int(sys.argv[1]):
    end()
sys.exit(subprocess.call(sys.argv[2:]))
"""


class SiteError(RuntimeError):
    """The site could not be built; the message says the step, the cause and the remedy."""

    def __init__(self, step: str, cause: str, remedy: str) -> None:
        super().__init__(f"Site, étape « {step} » : {cause}\nRemède : {remedy}")


def page_marts(pages: Path = REPORTS / "pages") -> dict[str, set[str]]:
    """Return, page by page, the marts that its queries read."""
    return {
        str(page.relative_to(pages).with_suffix("")): set(MART.findall(page.read_text("utf-8")))
        for page in sorted(pages.rglob("*.md"))
    }


def build_site(published: Path, site: Path, work: Path, report: Callable[[str], None]) -> None:
    """Build the pages in the folder `work` and put them in place of `site`.

    The previous site stays until the new one is whole. Neither `reports/` nor its
    `node_modules` is written to, so that two builds may run side by side.

    Raises:
        SiteError: nothing was replaced.
    """
    started = time.monotonic()
    _prepare(published, work)
    report("site : contours des départements")
    _run("contours", ["node", "scripts/contours.mjs"], work, report)
    report("site : lecture des tables publiées")
    _run("sources", ["evidence", "sources", "--strict"], work, report)
    _write_empty_marts(work)
    report("site : construction des pages")
    _run("pages", ["evidence", "build:strict"], work, report)
    built = work / "build"
    missing = [
        page
        for page in page_marts(work / "pages")
        if "[" not in page  # a template has as many pages as its mart has rows, maybe none
        and not (built / page.removesuffix("index") / "index.html").is_file()
    ]
    if missing:
        raise SiteError(
            "vérification",
            f"pages absentes du site construit : {', '.join(missing)}",
            f"lire le journal {work / 'build.log'}",
        )
    _seal(built)
    compress(built)
    _swap(built, site, work / "telechargements")
    count = len(list(built.rglob("index.html")))
    report(f"site : {count} pages en {time.monotonic() - started:.0f} s")


def _prepare(published: Path, work: Path) -> None:
    if not published.is_file():
        raise SiteError(
            "préparation", f"aucune publication dans {published}", "lancer d'abord `make build`"
        )
    modules = REPORTS / "node_modules"
    if not (modules / ".bin/evidence").exists():
        raise SiteError(
            "préparation",
            "les paquets du site ne sont pas installés",
            "lancer `npm install` dans le dossier reports/",
        )
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(
        REPORTS, work, ignore=shutil.ignore_patterns("node_modules", ".evidence", "build")
    )
    (work / "node_modules").symlink_to(modules)
    doors = {
        name: landings.doors_of(source, landings.REAL, landed=False)
        for name, source in CATALOG.items()
    }
    record = json.dumps(traitements.record(doors), ensure_ascii=False, indent=1)
    (work / "static/traitements.json").write_text(record, encoding="utf-8")
    # A hard link holds one and the same publication for the whole build, even when the next
    # one is swapped in meanwhile.
    _link(published, work / "published.duckdb")
    (work / "telechargements").mkdir()
    for folder in DOWNLOADS:
        for file in published.parent.glob(f"{folder}/*.{folder}"):
            _link(file, work / "telechargements" / file.name)


def _link(file: Path | str, target: Path | str) -> None:
    """Give `target` the content of `file`, that nobody writes to again, at no cost if possible."""
    try:
        os.link(file, target)
    except OSError:  # another file system
        shutil.copy2(file, target)


def _write_empty_marts(work: Path) -> None:
    """Give a mart without rows its Parquet file: Evidence writes none, then fails to read it."""
    data = work / ".evidence/template/static/data/marts"
    with duckdb.connect(str(work / "published.duckdb"), read_only=True) as connection:
        for query in sorted((work / "sources/marts").glob("*.sql")):
            file = data / query.stem / f"{query.stem}.parquet"
            if not file.exists():
                connection.sql(query.read_text("utf-8")).write_parquet(str(file))


def _run(step: str, command: list[str], work: Path, report: Callable[[str], None]) -> None:
    # Node needs no key of ours, and npm shows its environment to whatever it runs.
    plain = {name: value for name, value in os.environ.items() if not SECRET.search(name)}
    environment = plain | {
        "PATH": f"{work / 'node_modules/.bin'}{os.pathsep}{os.environ['PATH']}",
        "SEND_ANONYMOUS_USAGE_STATS": "no",
        "npm_config_offline": "true",
        "NO_COLOR": "1",
        "TZ": "UTC",
    }
    tail: deque[str] = deque(maxlen=15)
    errors: list[str] = []
    with (
        (work / "build.log").open("a", encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", KEEPER, str(os.getpid()), *command],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        try:
            for raw in process.stdout or ():
                line = ANSI.sub("", raw).strip()
                if not line:
                    continue
                log.write(line + "\n")
                if not STACK_FRAME.match(line):
                    tail.append(line)
                if QUERY_ERROR.search(line):
                    errors.append(line)
                if read := ROWS_READ.search(line):
                    report("site : {}, {} lignes".format(*read.groups()))
        except BaseException:  # a session of its own does not hear Ctrl-C
            process.terminate()
            raise
    if process.returncode or errors:
        cause = (
            "\n".join([*dict.fromkeys(errors)][:5] or tail)
            or f"code de sortie {process.returncode}"
        )
        raise SiteError(step, cause, f"lire le journal {work / 'build.log'}")


def _seal(built: Path) -> None:
    """Let each page run its own inline scripts, named by their hash, and no other."""
    for page in built.rglob("*.html"):
        html = page.read_text("utf-8")
        hashes = {
            f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
            for script in INLINE_SCRIPT.findall(html)
        }
        policy = " ".join(["script-src 'self' 'wasm-unsafe-eval'", *sorted(hashes)])
        meta = f'<meta http-equiv="content-security-policy" content="{policy}">'
        page.write_text(html.replace("<head>", f"<head>{meta}", 1), "utf-8")


def compress(built: Path) -> None:
    """Write each text and WebAssembly as gzip too: 20 MB at each visit would take a second."""
    for file in built.rglob("*"):
        if file.suffix in COMPRESSED and file.is_file() and file.stat().st_size > 1024:
            Path(f"{file}.gz").write_bytes(gzip.compress(file.read_bytes(), 6, mtime=0))


def _swap(built: Path, site: Path, downloads: Path) -> None:
    """Make `site` a link to a fresh folder: replacing a link is one atomic rename."""
    site.parent.mkdir(parents=True, exist_ok=True)
    with registre.alone("site"):  # two at once would sweep each other away
        fresh = Path(tempfile.mkdtemp(prefix=f"{site.name}-", dir=site.parent))
        shutil.copytree(built, fresh, dirs_exist_ok=True)
        shutil.copytree(downloads, fresh / downloads.name, copy_function=_link)
        stores.share(fresh)
        if site.is_dir() and not site.is_symlink():
            site.rename(fresh.with_name(fresh.name + "-previous"))
        link = fresh.with_name(fresh.name + "-link")
        link.symlink_to(fresh.name)
        link.replace(site)
        # The site of before, and what was left of a swap that was killed.
        for old in site.parent.glob(f"{site.name}-*"):
            if old.is_symlink():
                old.unlink()
            elif old != fresh:
                shutil.rmtree(old, ignore_errors=True)


def serve(site: Path, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve the built site until interrupted."""
    uvicorn.run(
        application(site),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
    )


class Precompressed(StaticFiles):
    """Files of the site, and what `compress` wrote beside them for who reads gzip."""

    def file_response(
        self,
        full_path: os.PathLike[str] | str,
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        asked = Headers(scope=scope)
        beside = Path(f"{full_path}.gz")
        if (
            "gzip" not in asked.get("accept-encoding", "")
            or "range" in asked
            or not beside.exists()
        ):
            return super().file_response(full_path, stat_result, scope, status_code)
        response = super().file_response(beside, beside.stat(), scope, status_code)
        response.headers["content-encoding"] = "gzip"
        response.headers["content-type"] = mimetypes.guess_type(full_path)[0] or "text/plain"
        response.headers["vary"] = "accept-encoding"
        return response


def application(site: Path) -> ASGIApp:
    """Return the web application that serves the folder `site`."""
    files = Starlette(routes=[Mount("/", Precompressed(directory=site, html=True))])

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY)
                headers["cache-control"] = (
                    "public, max-age=31536000, immutable" if HASHED.search(path) else "no-cache"
                )
            await send(message)

        await files(scope, receive, send_with_headers)

    return respond
