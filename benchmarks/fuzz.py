"""Bytes that nobody would send, led by the coverage of our parsers, for a bounded time.

`atheris` (libFuzzer) has wheels for some interpreters only, so it lies beside the project:

    python -m pip install --target fuzz atheris
    PYTHONPATH=fuzz python -m benchmarks.fuzz --seconds 60

A parser may refuse in its own words and do nothing else: any other exception is a fault, kept with
the bytes that cause it. What redaction promises is asked again of every text.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import Metric, record


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz",
        description="Fait lire aux analyseurs des octets hostiles, guidés par la couverture.",
    )
    parser.add_argument("--seconds", type=int, default=60, help="durée par analyseur (60)")
    parser.add_argument("--seed", type=int, default=1, help="graine (1)")
    parser.add_argument("--one", choices=TARGETS, help=argparse.SUPPRESS)
    arguments, rest = parser.parse_known_args()
    if arguments.one:
        return _fuzz(arguments.one, rest)
    metrics, faults = [], 0
    for name in TARGETS:
        with tempfile.TemporaryDirectory() as folder:
            ended = subprocess.run(  # noqa: S603
                [
                    *(sys.executable, "-m", "benchmarks.fuzz", "--one", name),
                    f"-max_total_time={arguments.seconds}",
                    f"-seed={arguments.seed}",
                    f"-artifact_prefix={folder}/",
                    *("-max_len=4096", "-timeout=20", "-rss_limit_mb=4096"),
                    "-print_final_stats=1",
                ],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
            kept = [*Path(folder).iterdir()]
        if "No module named 'atheris'" in ended.stderr:
            sys.exit("atheris manque. Remède : voir l'en-tête de benchmarks/fuzz.py.")
        found = len(kept) or int(ended.returncode != 0)
        faults += found
        if found:
            print(ended.stdout[-2000:], ended.stderr[-2000:])
        metrics += [
            Metric(f"{name} : lectures", _last(r"number_of_executed_units: (\d+)", ended.stderr)),
            Metric(f"{name} : branches atteintes", _last(r"cov: (\d+)", ended.stderr)),
            Metric(f"{name} : fautes", found, "", "0"),
        ]
    record("fuzz", metrics, seconds=arguments.seconds, seed=arguments.seed)
    return int(bool(faults))


def _last(pattern: str, log: str) -> int:
    return int((re.findall(pattern, log) or ["0"])[-1])


def _csv(content: bytes) -> None:
    from dlt_pipelines import depot

    wanted = "a"
    with suppress(depot.RefusedFileError):
        file = depot.File.received("essai.csv", b"a;b\n" + content)
        file.open_csv(lambda header: [] if wanted in header else [wanted])
        rows = sum(page.num_rows for page in file.pages())
        lines = len(file._lines)
        if rows + len(file.broken) > lines:
            raise AssertionError("a line was read twice")


def _json(content: bytes) -> None:
    from dlt_pipelines import depot
    from dlt_pipelines.sources import perceval

    with suppress(depot.RefusedFileError):
        depot.File.received("essai.json", content).open_json(perceval.recognise)


def _text(content: bytes) -> None:
    from dlt_pipelines import privacy

    text = content.decode(errors="replace")
    once = privacy.redact(text)
    if privacy.redact(once) != once:
        raise AssertionError("what is redacted changes when it is redacted again")


def _header(content: bytes) -> None:
    from dlt_pipelines import polite

    now = datetime(2026, 3, 15, tzinfo=UTC)
    name, _, value = content.decode("latin-1").partition("\n")
    headers = {"Retry-After": value, "x-rate-limit-reset": name}
    wait = polite.asked_wait(headers, now)
    if wait is not None and not wait >= 0:
        raise AssertionError(f"a wait of {wait} s")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "csv": _csv,
    "json": _json,
    "texte": _text,
    "attente": _header,
}


def _fuzz(name: str, arguments: list[str]) -> int:
    import atheris

    with atheris.instrument_imports(include=["dlt_pipelines", "csv", "json"]):
        TARGETS[name](b"")
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
