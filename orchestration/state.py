"""The state of the house, read once and told twice: to a person on a screen, to Prometheus."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import duckdb
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from dlt_pipelines import registre, stores

# A mart that a publication of former days, or of a smaller house, does not have.
SIGNALS = "fct_signaux"
CLOSED = ("explique", "clos")


@dataclass(frozen=True)
class Run:
    job: str
    status: str
    started: datetime | None
    seconds: float | None


@dataclass(frozen=True)
class Source:
    source: str
    label: str
    origin: str | None
    rows: int
    until: date | None
    max_hours: int
    set_aside: int
    refused: int
    taken: datetime | None

    @property
    def hours(self) -> float | None:
        """How long ago it was visited."""
        return (datetime.now(UTC) - self.taken).total_seconds() / 3600 if self.taken else None

    @property
    def is_late(self) -> bool:
        return self.hours is None or self.hours > self.max_hours


@dataclass(frozen=True)
class Following:
    """What the worker says of itself; seconds from an answer asked for to its publication."""

    started: datetime
    cycle: datetime
    cycles: int
    rows: int
    p50: float | None
    p95: float | None
    failing: dict[str, str]  # source → cause and remedy
    fault: str
    is_alive: bool = True


@dataclass(frozen=True)
class State:
    """`signals`: gravity → open signals, or None where the publication has no signals."""

    last_run: Run | None
    last_success: Run | None
    published: datetime | None
    sources: list[Source]
    signals: dict[str, int] | None
    bytes_of: dict[str, int]
    free: int
    following: Following | None


def read(instance: dg.DagsterInstance) -> State:
    """Return the state of the data folder and of Dagster's home."""
    published = stores.published()
    there = published.exists()
    success = dg.RunsFilter(job_name="refresh_all", statuses=[dg.DagsterRunStatus.SUCCESS])
    with _opened(published) as connection:
        return State(
            last_run=_run(instance, None),
            last_success=_run(instance, success),
            published=datetime.fromtimestamp(published.stat().st_mtime, UTC) if there else None,
            sources=_sources(connection) if there else [],
            signals=_signals(connection) if there else None,
            bytes_of=_sizes(),
            free=shutil.disk_usage(stores.data()).free,
            following=read_following(),
        )


def write_following(following: Following) -> None:
    path = _following()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".frais")
    fresh.write_text(json.dumps(asdict(following), default=datetime.isoformat), "utf-8")
    os.replace(fresh, path)


def read_following() -> Following | None:
    """Return what the worker last said, and whether it lives; None if none ever ran."""
    try:
        told = json.loads(_following().read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    for name in ("started", "cycle"):
        told[name] = datetime.fromisoformat(told[name])
    return Following(**told | {"is_alive": registre.is_held("suivi")})


def _following() -> Path:
    return stores.data() / "etat" / "suivi.json"


def prometheus(state: State) -> str:
    """Return the state in Prometheus' text format; moments, not ages, as its makers advise."""
    registry = CollectorRegistry()

    def gauge(name: str, told: str, samples: Mapping[str, float | None], label: str = "") -> None:
        known = {of: value for of, value in samples.items() if value is not None}
        if known:
            labels = [label] if label else []
            made = Gauge(f"cyberimpact_{name}", told, labels, registry=registry)
            for of, value in known.items():
                (made.labels(of) if label else made).set(value)

    last, success = state.last_run, state.last_success
    if last:
        gauge("last_run_failed", "1 if the last run failed.", {"": last.status == "FAILURE"})
        started = {"": _unix(last.started)}
        gauge("last_run_start_timestamp_seconds", "Start of the last run.", started)
        gauge("last_run_duration_seconds", "Length of the last run, once over.", {"": last.seconds})
    if success:
        ended_well = "Start of the last whole refresh that ended well."
        gauge("last_success_timestamp_seconds", ended_well, {"": _unix(success.started)})
    gauge("publication_timestamp_seconds", "Last publication.", {"": _unix(state.published)})

    def each(name: str, told: str, value: Callable[[Source], float | None]) -> None:
        gauge(name, told, {source.source: value(source) for source in state.sources}, "source")

    each("source_visit_timestamp_seconds", "Last visit.", lambda source: _unix(source.taken))
    each("source_max_age_seconds", "Late beyond.", lambda source: source.max_hours * 3600)
    each("source_rows", "Rows received.", lambda source: source.rows)
    each("source_rows_set_aside", "Rows in quarantine.", lambda source: source.set_aside)
    each("source_files_refused", "Files refused.", lambda source: source.refused)
    if told := state.following:
        gauge("following_up", "1 if the worker lives.", {"": float(told.is_alive)})
        gauge("following_cycle_timestamp_seconds", "Last cycle.", {"": _unix(told.cycle)})
        gauge("following_cycles", "Cycles since its start.", {"": told.cycles})
        gauge("following_rows", "Rows published since its start.", {"": told.rows})
        delays = {"0.5": told.p50, "0.95": told.p95}
        gauge("following_seconds", "From asked for to published.", delays, "quantile")
        failing = dict.fromkeys(told.failing, 1.0)
        gauge("following_source_failed", "1 if the source fails.", failing, "source")
        gauge("following_failed", "1 if its last cycle failed.", {"": float(bool(told.fault))})
    gauge("signals_open", "Signals to check or confirmed.", state.signals or {}, "gravite")
    gauge("data_bytes", "Size of what lies in the data folder.", state.bytes_of, "store")
    gauge("disk_free_bytes", "Room left beside the data.", {"": state.free})
    return generate_latest(registry).decode()


@contextmanager
def _opened(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    where = str(published) if published.exists() else ":memory:"
    with duckdb.connect(where, read_only=published.exists()) as connection:
        yield connection


def _run(instance: dg.DagsterInstance, wanted: dg.RunsFilter | None) -> Run | None:
    for record in instance.get_run_records(wanted, limit=1):
        started, ended = record.start_time, record.end_time
        return Run(
            record.dagster_run.job_name,
            record.dagster_run.status.value,
            datetime.fromtimestamp(started, UTC) if started else None,
            ended - started if started and ended else None,
        )
    return None


def _sources(connection: duckdb.DuckDBPyConnection) -> list[Source]:
    rows = connection.execute(
        "select source, source_label, origine, coalesce(lignes_count, 0), derniere_donnee_le,"
        " fraicheur_max_heures, coalesce(lignes_ecartees_count, 0),"
        " coalesce(fichiers_refuses_count, 0), derniere_prise_at::timestamp"
        " from marts.ref_sources order by source_label"
    ).fetchall()
    return [
        Source(*row[:-1], taken=row[-1] and row[-1].replace(tzinfo=UTC))  # type: ignore[misc]
        for row in rows
    ]


def _signals(connection: duckdb.DuckDBPyConnection) -> dict[str, int] | None:
    try:
        rows = connection.execute(
            f"select gravite_label, count(*) from marts.{SIGNALS} where etat not in ?"  # noqa: S608
            " group by gravite, gravite_label order by gravite desc",
            [list(CLOSED)],
        ).fetchall()
    except duckdb.CatalogException:
        return None
    return dict(rows)


def _unix(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _sizes() -> dict[str, int]:
    """Return the size of each store; folders that each swap names anew count as one."""
    sizes: dict[str, int] = {}
    for path in sorted(stores.data().iterdir()):
        if not path.name.startswith("."):
            name = "site" if path.name.startswith("site-") else path.name
            sizes[name] = sizes.get(name, 0) + bytes_in(path)
    return sizes


def bytes_in(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    total = 0
    for file in files:
        try:
            total += file.stat().st_size if file.is_file() and not file.is_symlink() else 0
        except FileNotFoundError:  # swapped meanwhile
            continue
    return total
