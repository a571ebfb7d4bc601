"""Follow the fast sources and never stop: land, build, check, publish, alert, in one warm process.

A run that the clock starts waits half a minute before its first line; here Python, dbt and Dagster
are loaded once, and a cycle pays for its new rows. What is built, checked and published is what a
whole run would (ADR 18). Whoever kills it loses nothing: the next one starts from the stores.
"""

import os
import signal
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from threading import Event
from typing import Any

import dagster as dg

from dlt_pipelines import registre, stores
from dlt_pipelines.catalog import CATALOG
from dlt_pipelines.landings import Follower, Landing, LandingError
from orchestration import alerts, assets, journal, marks, publication, state, warehouse
from orchestration.runs import open_instance

# Tags of the models: what each new message changes, and what is judged of it. Judging costs the
# same however little is new: it is done once in a while, in parts, and messages pass in between.
MINUTE, HOUR = "minute", "heure"
SECONDS_BETWEEN_JUDGEMENTS = 60
SECONDS_BETWEEN_PARTS = 2  # at most, of a judgement: what landing takes once the stores are free
SECONDS_BETWEEN_REPORTS = 600  # to Dagster, of one thing: its history is not made for more
LONGEST_REST = 300  # seconds, of a source that fails again and again
SECONDS_TO_STOP = 5
OTHER_PROJECT = (
    "L'entrepôt a été construit par une autre version du projet. Remède : lancer `make build` ; "
    "si c'est fait, relancer le suivi."
)


class StoppedError(Exception):
    """The worker was asked to stop while it waited for a store."""


class WorkerError(RuntimeError):
    """The worker cannot start; cause and remedy, in French."""


@dataclass
class Cycle:
    """What one cycle did; `seconds` of each of its steps, in their order."""

    rows: dict[str, int]
    asked: float  # wall clock, when the oldest of its answers was asked for
    seconds: dict[str, float] = field(default_factory=dict)
    sent: int = 0
    faults: list[str] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0) + time.monotonic() - started


def main() -> int:
    """Follow until SIGTERM or Ctrl-C."""
    with _alone(), open_instance() as instance:
        worker = Worker(instance)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        worker.run()
    # A landing that a dead service holds would keep the process; the next start does it again.
    sys.stdout.flush()
    os._exit(0)


class Worker:
    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.state = _State()
        self._followers = {
            name: Follower(name) for name, source in CATALOG.items() if source.following
        }
        # A thread each: a pipeline of dlt belongs to the one that made it.
        self._threads = {name: ThreadPoolExecutor(1) for name in self._followers}
        self._coming: dict[str, Future[Landing | None]] = {}
        self._rest: dict[str, float] = {}  # source that failed -> when it is asked again
        self._failed: dict[str, int] = {}
        self._landing_seconds = 0.0
        self._new: dict[str, tuple[int, float]] = {}  # landed, not published: rows, asked at
        self._stale: set[str] = set()  # tags to build
        self._judged = -inf  # when the last judgement began
        self._judging: deque[int] = deque()  # parts that are left of the one under way
        self._judged_marts: list[str] = []  # of those that are done, not published yet
        self._has_passed = False  # the minute, since the last part
        self._reports = _Reports(instance)
        self._descriptions = warehouse.descriptions(assets.MANIFEST)
        self._stopping, self._may_stop, self._needs_whole = Event(), False, False

    def run(self) -> None:
        """Do one cycle after another until it is asked to stop."""
        started = time.monotonic()
        warehouse.prepare(MINUTE, HOUR)
        journal.write("run_start", job="suivi", seconds={"analyse": time.monotonic() - started})
        while not self._stopping.is_set():
            try:
                self.cycle()
            except StoppedError:
                break
            except Exception as error:  # a full disk, a store that another holds: tried again
                self._note_fault(error)
                self._stopping.wait(SECONDS_TO_STOP)
        wait(self._coming.values(), SECONDS_TO_STOP)
        self._reports.send(is_last=True)

    def stop(self) -> None:
        self._stopping.set()
        if self._may_stop:
            raise StoppedError

    def cycle(self) -> Cycle | None:
        """Publish what has landed since the last cycle; None if there is nothing to do yet."""
        self._land()
        due = self._due()
        if due is None or not self._has_base():
            self._reports.send()
            return None
        processor = time.process_time()
        done = self._pass() if due == MINUTE else self._judge()
        self.state.cycles += 1
        self.state.save()
        journal.write(
            "cycle",
            job="suivi",
            counts=done.rows,
            seconds={name: round(spent, 3) for name, spent in done.seconds.items()},
            processor=round(time.process_time() - processor, 3),
            sent=done.sent or None,
            error=done.faults or None,
        )
        self._reports.send()
        if done.faults:  # what is wrong is not mended by trying at once
            self._stopping.wait(SECONDS_TO_STOP)
        return done

    def _has_base(self) -> bool:
        """Say whether a whole run has made what the minute adds to."""
        if self._needs_whole and marks.made_from("warehouse"):
            self._needs_whole = False
        if self._needs_whole or not (stores.published().exists() and stores.warehouse().exists()):
            return False
        if not (is_ours := warehouse.is_of_this_project()) and self.state.fault != OTHER_PROJECT:
            self._note_fault(WorkerError(OTHER_PROJECT))
        return is_ours

    def _land(self) -> None:
        """Ask the sources that are due, each in its own thread, and note what came."""
        now = time.monotonic()
        for name, follower in self._followers.items():
            if name not in self._coming and self._rest.get(name, 0) <= now:
                self._coming[name] = self._threads[name].submit(follower.land)
        # What waited for the stores during a part of a judgement has them before the next part.
        if self._judging:
            wait(self._coming.values(), SECONDS_BETWEEN_PARTS)
        else:
            wait(self._coming.values(), timeout=0.2, return_when=FIRST_COMPLETED)
        for name, future in list(self._coming.items()):
            if not future.done():
                continue
            del self._coming[name]
            try:
                landing = future.result()
            except LandingError as error:
                self._failed[name] = self._failed.get(name, 0) + 1
                self._rest[name] = now + min(2.0 ** self._failed[name], LONGEST_REST)
                self.state.failing[name] = str(error)
                journal.write("step_failure", job="suivi", step=name, error="LandingError")
                self.state.save()
                continue
            if self._failed.pop(name, None):
                del self.state.failing[name]
                self.state.save()
            if landing and landing.switched:
                # Invented rows have left the raw store: what was made of them is to be made again.
                marks.forget("warehouse")
                self._needs_whole = True
            if landing:
                self._stale |= {MINUTE, HOUR}
                rows, asked = self._new.get(name, (0, time.time() - landing.seconds))
                self._landing_seconds = max(self._landing_seconds, landing.seconds)
                self._new[name] = rows + landing.total("new") + landing.total("changed"), asked
                self._reports.landed(landing)
        if not any(future.done() for future in self._coming.values()):
            self._stopping.wait(0.05)

    def _due(self) -> str | None:
        """Return what to do now: a passage of the minute, a part of a judgement, or nothing.

        They take turns: a message waits for one part at most, and a judgement ends.
        """
        is_waited_for = MINUTE in self._stale
        if self._judging:
            return MINUTE if is_waited_for and not self._has_passed else HOUR
        if is_waited_for:
            return MINUTE
        is_early = time.monotonic() - self._judged < SECONDS_BETWEEN_JUDGEMENTS
        return HOUR if HOUR in self._stale and not is_early else None

    def _pass(self) -> Cycle:
        """Build and publish what each new message changes."""
        rows = {source: count for source, (count, _) in self._new.items()}
        done = Cycle(rows, min((at for _, at in self._new.values()), default=time.time()))
        done.seconds["prise"], self._landing_seconds = self._landing_seconds, 0.0
        self._new = {}
        with self._stores(done):
            if (marts := self._build(MINUTE, done)) is None:
                return done
            self._publish(marts, done)
        self._stale.discard(MINUTE)
        self._has_passed = True
        self.state.rows += sum(done.rows.values())
        if done.rows:
            self.state.latencies.append(time.time() - done.asked)
        return done

    def _judge(self) -> Cycle:
        """Do one part of a judgement; publish and alert after the last one."""
        done = Cycle({}, time.time())
        if not self._judging:
            self._judged, self._judged_marts = time.monotonic(), []
            self._judging.extend(range(warehouse.parts(HOUR)))
            self._stale.discard(HOUR)  # what lands from now on may have come too late for it
        self._has_passed = False
        with self._stores(done):
            if (marts := self._build(HOUR, done, self._judging[0])) is None:
                self._judging.clear()
                self._stale.add(HOUR)
                return done
            self._judging.popleft()
            self._judged_marts += marts
            if not self._judging:
                self._publish(self._judged_marts, done)
        if not self._judging:
            with done.step("alertes"):
                outcome = alerts.send()
                self._reports.alerted(outcome)
                done.sent = outcome.sent
        return done

    def _build(self, tag: str, done: Cycle, part: int | None = None) -> list[str] | None:
        """Build what is tagged `tag`, and return its marts; None if a model or a check failed."""
        with done.step(f"dbt {tag}"):
            nodes = warehouse.follow(tag, lambda line: None, part)
        for kind in ("model", "test"):
            spent = sum(node.seconds for node in nodes if node.kind == kind)
            done.seconds[f"dont {kind} {tag}"] = spent
        self._reports.built(nodes)
        if error := warehouse.broken(nodes):
            done.faults.append(type(error).__name__)
            self._note_fault(error)
            return None
        return [
            node.unique_id.split(".")[-1]
            for node in nodes
            if node.kind == "model" and ".fct_" in node.unique_id
        ]

    def _publish(self, marts: list[str], done: Cycle) -> None:
        with done.step("publication"):
            marks.forget("publication")
            rows = publication.publish(
                stores.warehouse(),
                stores.published(),
                stores.published_parquet(),
                self._descriptions,
                only=marts,
            )
        self._reports.published(rows)
        self.state.fault = ""

    @contextmanager
    def _stores(self, done: Cycle) -> Iterator[None]:
        """Hold raw store and warehouse; a signal ends the wait for whoever holds them."""
        with done.step("attente"):
            self._may_stop = True
            try:
                registre.WRITER.__enter__()
            finally:
                self._may_stop = False
        try:
            yield
        finally:
            registre.WRITER.__exit__(None, None, None)

    def _note_fault(self, error: Exception) -> None:
        self.state.fault = str(error)
        self.state.save()
        journal.write("run_failure", job="suivi", error=type(error).__name__)


class _State:
    """What `make status` and Prometheus are told: see `state.Following`."""

    def __init__(self) -> None:
        self.started = datetime.now(UTC)
        self.cycles = self.rows = 0
        self.latencies: deque[float] = deque(maxlen=1000)
        self.failing: dict[str, str] = {}
        self.fault = ""

    def save(self) -> None:
        known = sorted(self.latencies)
        state.write_following(
            state.Following(
                started=self.started,
                cycle=datetime.now(UTC),
                cycles=self.cycles,
                rows=self.rows,
                p50=statistics.median(known) if known else None,
                p95=known[int(0.95 * len(known))] if known else None,
                failing=self.failing,
                fault=self.fault,
            )
        )


class _Reports:
    """What Dagster is told: of each asset and check the last word, every few minutes.

    A check that fails, or that passes again, is told at once, and so is what was never told.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._waiting: dict[object, dg.AssetMaterialization | dg.AssetCheckEvaluation] = {}
        self._told: dict[object, tuple[float, bool]] = {}
        self._landed: dict[str, tuple[int, int]] = {}

    def landed(self, landing: Landing) -> None:
        for table, counts in landing.tables.items():
            name = f"{landing.source}/{table}"
            new, changed = self._landed.get(name, (0, 0))
            new, changed = self._landed[name] = new + counts.new, changed + counts.changed
            self._made(
                dg.AssetKey([landing.source, table]),
                {"lignes nouvelles": new, "lignes modifiées": changed, "origine": landing.origin},
            )

    def built(self, nodes: list[warehouse.Node]) -> None:
        for node in nodes:
            for event in assets.events(node, is_unchanged=False):
                if isinstance(event, dg.MaterializeResult):
                    assert event.asset_key  # noqa: S101 – ours all have one
                    self._made(dg.AssetKey.from_coercible(event.asset_key), event.metadata or {})
                else:
                    assert event.asset_key and event.check_name  # noqa: S101
                    key = dg.AssetKey.from_coercible(event.asset_key)
                    self._waiting[key, event.check_name] = dg.AssetCheckEvaluation(
                        asset_key=key,
                        check_name=event.check_name,
                        passed=event.passed,
                        severity=event.severity,
                        metadata=event.metadata,
                    )

    def published(self, rows: dict[str, int]) -> None:
        self._made(
            assets.published,
            {"tables changées": len(rows), "lignes par table": dg.MetadataValue.json(rows)},
        )

    def alerted(self, outcome: alerts.Outcome) -> None:
        self._made(
            assets.alerts_sent,
            {"messages envoyés": outcome.sent, "canaux en panne": len(outcome.failed)},
        )

    def send(self, *, is_last: bool = False) -> None:
        """Tell what is due, or all of it if it is the last time."""
        now = time.monotonic()
        for key, event in list(self._waiting.items()):
            passed = not isinstance(event, dg.AssetCheckEvaluation) or event.passed
            at, passed_then = self._told.get(key, (-SECONDS_BETWEEN_REPORTS, passed))
            if is_last or passed != passed_then or now - at >= SECONDS_BETWEEN_REPORTS:
                self._instance.report_runless_asset_event(event)
                self._told[key] = now, passed
                del self._waiting[key]
                if isinstance(event, dg.AssetMaterialization):
                    self._landed.pop("/".join(event.asset_key.path), None)

    def _made(self, key: dg.AssetKey, metadata: Any) -> None:
        told = {**metadata, "lancé par": "python -m orchestration suivi"}
        self._waiting[key] = dg.AssetMaterialization(asset_key=key, metadata=told)


@contextmanager
def _alone() -> Iterator[None]:
    def refuse() -> None:
        raise WorkerError(
            "Un suivi est déjà en marche sur ces données.\n"
            "Remède : l'arrêter d'abord, ou le laisser faire."
        )

    with registre.alone("suivi", refuse):
        yield
