"""How fast rows come in: the real door against dlt's dictionaries and DuckDB's own reader.

    python -m benchmarks.landing [--rows N] [--rounds N] [--scale]

The rows are invented answers of a feedback service: 12 fields, about 200 characters of French text,
personal data in one of ten, three of a hundred break the contract. Each round is a process of its
own, on an empty store, so that its memory is its own; the ways take turns, so that what else the
machine does weighs on all of them.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from benchmarks import Metric, peak_mib, record

PAGE_BYTES = 4 * 1024**2
SOURCES, ANSWERS, PATIENCE = 6, 8, 0.3  # of the slow servers, whose seconds an answer takes
FIELDS: dict[str, dict[str, Any]] = {
    "id": {"data_type": "bigint", "nullable": False},
    "publie_at": {"data_type": "timestamp", "nullable": False},
    "titre": {},
    "description": {},
    "pseudonyme": {},
    "ressenti": {"nullable": False},
    "departement": {"x-format": "departement"},
    "code_postal": {},
    "note": {"data_type": "bigint", "x-min": 0},
    "duree": {"data_type": "double"},
    "canal": {},
    "structure": {},
}
TREATED = {"titre": "redact", "description": "redact", "pseudonyme": "pseudonymise"}
PHRASES = (
    (
        "J’ai attendu près de deux heures avant d’être reçue.",
        "La personne à l’accueil a pris le temps de tout m’expliquer.",
        "Le formulaire en ligne refuse mon justificatif depuis trois jours.",
        "Ma situation a été réglée en quelques minutes au téléphone.",
        "Le rendez-vous a été déplacé deux fois sans explication.",
        "On m’a renvoyé d’un guichet à l’autre toute la matinée.",
        "L’agent a été très à l’écoute et d’une grande patience.",
    ),
    (
        "Mon rendez-vous était pourtant confirmé depuis plusieurs semaines.",
        "Personne ne répond au numéro indiqué sur le courrier reçu.",
        "Je n’ai jamais reçu de réponse à mes relances.",
        "Les démarches ont été suivies avec sérieux jusqu’au bout.",
        "Je n’ai pas compris quelles pièces il fallait apporter.",
    ),
    (
        "Je souhaite que mon dossier soit traité avant la fin du mois.",
        "Un grand merci pour votre aide dans cette période difficile.",
        "Que faut-il faire pour obtenir enfin une réponse claire ?",
        "Le dossier 2024-%d est toujours en attente.",
        "Le montant réclamé est de %d,50 euros.",
        "J’ai fait %d km pour rien un samedi matin.",
    ),
    (
        " Me joindre à personne%d@exemple.fr.",
        " Mon numéro est le 06 12 34 %d %d.",
        *(18 * (" Cordialement.",)),
    ),
)
_ROWS = """
    copy (
        with drawn as (
            select range as i, (hash(range) >> 1)::bigint as h,
                (hash(range + 1_000_000_007) >> 1)::bigint as g
            from range({rows})
        )
        select
            i as id,
            strftime(timestamp '2020-01-01' + to_seconds(i * 13), '%Y-%m-%dT%H:%M:%S')
                || if(h % 100 = 0, ' environ', '+00:00') as publie_at,
            ['Accueil au guichet', 'Délai de réponse', 'Dossier perdu', 'Merci à l’équipe',
                'Site indisponible'][1 + g % 5] as titre,
            {text} as description,
            'usager' || (g % 200_000) as pseudonyme,
            if(h % 100 = 1, null, ['Positif', 'Neutre', 'Négatif'][1 + g % 3]) as ressenti,
            ['01', '2A', '33', '59', '75', '974'][1 + g % 6] as departement,
            (10_000 + h % 85_000)::varchar as code_postal,
            if(h % 100 = 2, -1, (g % 11)::int) as note,
            round((h % 100_000) / 7, 2) as duree,
            ['Guichet', 'Internet', 'Courrier', 'Téléphone'][1 + h % 4] as canal,
            'Structure ' || (h % 3_000) as structure
        from drawn
    ) to '{path}' (format json)
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.landing",
        description="Mesure la prise de lignes JSON par la porte, par dlt seul et par DuckDB seul.",
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="lignes (1 000 000)")
    parser.add_argument("--rounds", type=int, default=3, help="essais de chaque voie (3)")
    parser.add_argument(
        "--scale", action="store_true", help="mesurer aussi la mémoire de dix fois plus de lignes"
    )
    parser.add_argument(
        "--ways", nargs="+", choices=WAYS, default=list(WAYS), help="voies mesurées"
    )
    parser.add_argument("--one", choices=[*WAYS, "wait"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        found = _waited() if asked.one == "wait" else _measured(asked.one, asked.file, asked.rows)
        print(json.dumps(found))
        return 0
    if min(asked.rows, asked.rounds) < 1:
        parser.error("il faut au moins une ligne et un essai")
    with tempfile.TemporaryDirectory(prefix="mesure-") as folder:
        runs = _runs(asked.ways, asked.rows, asked.rounds, Path(folder))
        scaled = _scaled(asked.ways, 10 * asked.rows, Path(folder)) if asked.scale else {}
        waits = [_child("wait", Path(folder), 0) for _ in range(asked.rounds)]
    record(
        "landing",
        [*_told(runs), *_told_at_scale(scaled), *_told_waits(waits)],
        rows=asked.rows,
        rounds=asked.rounds,
        share_of_the_rows={way: share for way, (_, share) in WAYS.items()},
        load_after=round(os.getloadavg()[0], 1),
        runs=runs,
        scaled=scaled,
        waits=waits,
    )
    return 0


def _runs(
    ways: list[str], rows: int, rounds: int, folder: Path
) -> dict[str, list[dict[str, float]]]:
    path = _written(rows, folder)
    done: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            done[way].append(_child(way, path, max(1, round(rows * WAYS[way][1]))))
    path.unlink()
    return done


def _scaled(ways: list[str], rows: int, folder: Path) -> dict[str, dict[str, float]]:
    path = _written(rows, folder)
    return {way: _child(way, path, rows) for way in ways if WAYS[way][1] == 1}


def _written(rows: int, folder: Path) -> Path:
    path = folder / f"{rows}.ndjson"
    slots = []
    for place, phrases in enumerate(PHRASES):
        drawn = f"(h // {23 ** (place + 1)})"
        choices = ", ".join(f"'{phrase}'" for phrase in phrases).replace(
            "%d", f"' || ({drawn} % 90 + 10) || '"
        )
        slots.append(f"[{choices}][1 + {drawn} % {len(phrases)}]")
    text = " || ' ' || ".join(slots[:-1]) + " || " + slots[-1]
    duckdb.execute(_ROWS.format(rows=rows, text=text, path=path))
    return path


def _child(way: str, path: Path, rows: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.landing", "--one", way, "--rows", str(rows)]
    with tempfile.TemporaryDirectory(prefix="mesure-") as data:
        outcome = subprocess.run(  # noqa: S603 – our own module
            [*command, "--file", str(path)],
            env={**os.environ, "CYBERIMPACT_DATA": data},
            stdout=subprocess.PIPE,
            check=True,
        )
    found: dict[str, float] = json.loads(outcome.stdout.splitlines()[-1])
    print(way, *(f"{name}={value:,.1f}" for name, value in found.items()), flush=True)
    return found


# --- what is told ---------------------------------------------------------------------------------


def _told(runs: dict[str, list[dict[str, float]]]) -> Iterator[Metric]:
    # Ratios within each round, then their median: the load of the machine changes between rounds.
    speeds = {way: [run["rows_per_second"] for run in done] for way, done in runs.items()}
    for way, done in runs.items():
        yield Metric(f"{way}.rows_per_second", median(speeds[way]), "lignes/s")
        yield Metric(f"{way}.cpu_per_row", median(map(_cpu, done)), "µs")
        aim = "< 1 500" if way in AIMS else ""
        yield Metric(f"{way}.peak_memory", max(run["peak_mb"] for run in done), "Mio", aim)
    for way, aims in AIMS.items():
        for other, aim in aims.items():
            if {way, other} <= speeds.keys():
                ratio = median(a / b for a, b in zip(speeds[way], speeds[other], strict=True))
                yield Metric(f"{way}.against_{other}", ratio, "rapport", aim)
                # What a machine that others keep busy says better than a clock.
                cost = median(map(_cpu, runs[other])) / median(map(_cpu, runs[way]))
                yield Metric(f"{way}.against_{other}.cpu", cost, "rapport de temps processeur")


def _cpu(run: dict[str, float]) -> float:
    return 1e6 * run["cpu_seconds"] / run["rows"]


def _told_at_scale(scaled: dict[str, dict[str, float]]) -> Iterator[Metric]:
    for way, run in scaled.items():
        yield Metric(f"{way}.at_scale.rows_per_second", run["rows_per_second"], "lignes/s")
        aim = "< 1 500" if way in AIMS else ""
        yield Metric(f"{way}.at_scale.peak_memory", run["peak_mb"], "Mio", aim)


def _told_waits(waits: list[dict[str, float]]) -> Iterator[Metric]:
    yield Metric("sources.one_by_one", median(run["one_by_one"] for run in waits), "s")
    yield Metric("sources.side_by_side", median(run["side_by_side"] for run in waits), "s")
    ratio = median(run["one_by_one"] / run["side_by_side"] for run in waits)
    yield Metric("sources.side_by_side.against_one_by_one", ratio, "rapport", "> 1")


# --- one measure, in a process of its own ---------------------------------------------------------


def _measured(way: str, path: Path, rows: int) -> dict[str, float]:
    # Two seconds of imports are no landing.
    if way.startswith("door"):
        import dlt_pipelines.landings  # noqa: F401
    elif way.startswith("dlt"):
        os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
        import dlt  # noqa: F401
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    landed, aside = WAYS[way][0](path, rows)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    if landed + aside != rows or not (aside or rows < 1_000 or way == "duckdb"):
        raise SystemExit(f"{way} : {rows} lignes, {landed} posées, {aside} écartées")
    return {
        "rows": rows,
        "landed": landed,
        "aside": aside,
        "seconds": seconds,
        "rows_per_second": rows / seconds,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": peak_mib(),
    }


def _declare(name: str, treated: dict[str, str], bodies: Callable[[], Iterator[bytes]]) -> None:
    """Name in the catalog a source whose service answers `bodies`."""
    import dlt

    from dlt_pipelines import catalog

    columns = {
        field: {**hints, "x-personal": treated.get(field, "keep")}
        for field, hints in FIELDS.items()
    }

    @dlt.source(name=name)
    def source(
        since: date | None = None, until: date | None = None, session: object = None
    ) -> dlt.sources.DltResource:
        @dlt.resource(name="avis", columns=columns, primary_key="id")
        def avis() -> Iterator[dict[str, Any]]:
            for number, body in enumerate(bodies()):
                yield {"whence": f"page {number}", "body": body}

        return avis

    catalog.CATALOG[name] = catalog.Source(
        name=name,
        label=name,
        pillar="perception",
        declare=source,
        tables=("avis",),
        max_age=timedelta(days=1),
        licence="",
        url="",
        has_api=True,
        slice=timedelta(days=36_500),
    )
    os.environ[f"SOURCES__{name.upper()}__LIVE"] = "true"


def _door(path: Path, rows: int, treated: dict[str, str]) -> tuple[int, int]:
    """Land through `land`: contract, quarantine, protection, comparison and ledger."""
    from dlt_pipelines import landings, stores

    _declare("mesure", treated, lambda: _bodies(path))
    landings.land("mesure")
    with duckdb.connect(stores.raw(), read_only=True) as connection:
        aside = connection.sql("select distinct fichier, ligne from quarantaine.lignes")
        return len(connection.table("raw_mesure.avis")), len(aside)


def _bodies(path: Path) -> Iterator[bytes]:
    """Yield the file as a service would answer it, some whole lines at a time."""
    with path.open("rb") as file:
        while body := file.read(PAGE_BYTES):
            yield body + file.readline()


def _dictionaries(path: Path, rows: int, form: Any) -> tuple[int, int]:
    """Let dlt take the rows one dictionary at a time, as it is set, unprotected."""
    import dlt

    store = Path(os.environ["CYBERIMPACT_DATA"])
    aside = 0

    @dlt.resource(name="avis", columns={name: {**hints} for name, hints in FIELDS.items()})
    def avis() -> Iterator[list[dict[str, Any]]]:
        nonlocal aside
        page = []
        with path.open() as file:
            for _, line in zip(range(rows), file, strict=False):
                row = json.loads(line)
                # dlt stops at a row that breaks the contract: here they are left aside at once.
                if row["ressenti"] and row["publie_at"].endswith("00") and row["note"] >= 0:
                    page.append(row)
                else:
                    aside += 1
                if len(page) == 10_000:
                    yield page
                    page = []
        yield page

    pipeline = dlt.pipeline(
        "mesure",
        pipelines_dir=str(store / "dlt"),
        destination=dlt.destinations.duckdb(str(store / "raw.duckdb")),
        dataset_name="mesure",
    )
    pipeline.run(avis(), loader_file_format=form)
    with duckdb.connect(store / "raw.duckdb", read_only=True) as connection:
        return len(connection.table("mesure.avis")), aside


def _duckdb(path: Path, rows: int) -> tuple[int, int]:
    """Let DuckDB read the file into a table of text and numbers, and nothing else."""
    kinds = {"bigint": "bigint", "double": "double"}
    columns = {
        name: kinds.get(hints.get("data_type", "text"), "varchar") for name, hints in FIELDS.items()
    }
    with duckdb.connect(Path(os.environ["CYBERIMPACT_DATA"]) / "raw.duckdb") as connection:
        connection.execute(
            f"create table avis as from read_json('{path}', format = 'newline_delimited',"
            f" columns = {columns})"
        )
        return len(connection.table("avis")), 0


def _waited() -> dict[str, float]:
    """Land sources whose servers are slow, one by one then side by side; return the seconds."""
    from dlt_pipelines import landings, polite

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def answers() -> Iterator[bytes]:
        session = polite.Session(time.monotonic() + 3600)
        for page in range(ANSWERS):
            answer = session.get(f"http://127.0.0.1:{server.server_port}/{page}")
            yield answer.content

    names = [[f"{way}_{number}" for number in range(SOURCES)] for way in ("seule", "ensemble")]
    for name in (*names[0], *names[1]):
        _declare(name, TREATED, answers)
    started = time.perf_counter()
    done = [landings.land(name) for name in names[0]]
    one_by_one = time.perf_counter() - started
    started = time.perf_counter()
    with landings.land_together(names[1]) as coming:
        done += [landing.result() for landing in coming.values()]
    side_by_side = time.perf_counter() - started
    if any(landing.total("new") != ANSWERS * 100 for landing in done):
        raise SystemExit(f"compte inattendu : {done}")
    return {"one_by_one": one_by_one, "side_by_side": side_by_side}


class _Slow(BaseHTTPRequestHandler):
    """A service that thinks before each page of a hundred rows."""

    def do_GET(self) -> None:
        time.sleep(PATIENCE)
        first = 100 * int(self.path[1:])
        row = {"publie_at": "2024-01-01T08:00:00Z", "ressenti": "Positif", "note": 1}
        body = json.dumps([{"id": first + number, **row} for number in range(100)]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *said: object) -> None:
        """Say nothing: only figures are printed."""


WAYS: dict[str, tuple[Callable[[Path, int], tuple[int, int]], float]] = {
    "door": (lambda path, rows: _door(path, rows, TREATED), 1),
    "door_without_privacy": (lambda path, rows: _door(path, rows, {}), 1),
    "duckdb": (_duckdb, 1),
    "dlt_parquet": (lambda path, rows: _dictionaries(path, rows, "parquet"), 0.2),
    "dlt_default": (lambda path, rows: _dictionaries(path, rows, None), 0.05),
}
"""Way → how it lands a file (rows landed, rows set aside), and the share of the rows it is given:
the slow ones would take an hour."""
AIMS = {
    "door": {"dlt_parquet": "≥ 4", "dlt_default": "", "duckdb": ""},
    "door_without_privacy": {"dlt_parquet": "≥ 10", "dlt_default": "", "duckdb": "≥ 0,33"},
}

if __name__ == "__main__":
    sys.exit(main())
