"""A run lives as long as its process; a dead one gives its place in the pools back.

Dagster keeps the slots of a killed run for ever, and the next run would wait for ever. Each run
holds a file lock that the system releases whatever ends the process, `kill -9` included: unlike a
process id, a lock is never mistaken for that of a newer process. A run whose lock nobody holds is
dead, whether the file is there or not.
"""

import ctypes
import fcntl
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import dagster as dg
from dagster._utils.interrupts import check_captured_interrupt

from dlt_pipelines import PARIS, registre, stores

SECONDS_BETWEEN_LOOKS = 5
# A run is without its lock for an instant after its start and before its end.
SECONDS_TO_BE_DEAD = 3


@contextmanager
def open_instance() -> Iterator[dg.DagsterInstance]:
    """Open Dagster's home under the data folder, with the settings of this repository.

    One process at a time: two that create the same empty home leave it unreadable for ever.
    """
    home = stores.dagster_home()
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".ouverture").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.copyfile(Path(__file__).with_name("dagster.yaml"), home / "dagster.yaml")
        instance = dg.DagsterInstance.get()
    with instance:
        yield instance


@dg.resource
def living_run(context: dg.InitResourceContext) -> Iterator[None]:
    """Hold the lock of the run while its steps run, and close the dead it may be waiting for."""
    instance, run_id = context.instance, context.run_id
    assert instance and run_id  # noqa: S101 – both are there in a run
    over = threading.Event()

    def watch() -> None:
        while True:
            # What fails now, on a full disk, may pass at the next look.
            with suppress(Exception):
                close_dead_runs(instance)
            if over.wait(SECONDS_BETWEEN_LOOKS):
                return

    with _holding(run_id):
        threading.Thread(target=watch, daemon=True).start()
        threading.Thread(target=_end_wait_when_interrupted, args=[over], daemon=True).start()
        try:
            yield
        finally:
            over.set()
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Free the slots of the runs whose process is gone, mark them failed, and return their ids."""
    suspects = _without_lock(instance)
    if not suspects:
        return []
    time.sleep(SECONDS_TO_BE_DEAD)
    dead = sorted(suspects & _without_lock(instance))
    for run_id in dead:
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)
        run = instance.get_run_by_id(run_id)
        if run and not run.is_finished:
            instance.report_run_failed(run, "Le processus de ce run a été tué.")
        _lock(run_id).unlink(missing_ok=True)
    return dead


def holders(instance: dg.DagsterInstance, pool: str) -> str:
    """Return the runs that hold `pool`, as a person knows them."""
    told = []
    for run_id in sorted(instance.event_log_storage.get_concurrency_info(pool).active_run_ids):
        record = instance.get_run_record_by_id(run_id)
        if record is None:
            told.append(f"run {run_id[:8]}")
            continue
        since = datetime.fromtimestamp(record.start_time or 0, PARIS)
        told.append(f"run {run_id[:8]} ({record.dagster_run.job_name}, depuis {since:%H:%M})")
    return ", ".join(told) or "run qui vient de finir"


def _without_lock(instance: dg.DagsterInstance) -> set[str]:
    """Return the runs that go on, hold a slot or left a lock, and whose lock nobody holds."""
    storage = instance.event_log_storage
    under_way = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    found = {run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=under_way))}
    for pool in storage.get_concurrency_infos(sorted(storage.get_concurrency_keys())).values():
        found |= {slot.run_id for slot in pool.claimed_slots}
        found |= {step.run_id for step in pool.pending_steps}
    found |= {path.stem for path in _folder().glob("*.lock")}
    return {run_id for run_id in found if not _is_held(run_id)}


def _is_held(run_id: str) -> bool:
    try:
        with _lock(run_id).open() as lock:
            return not registre.taken(lock)
    except FileNotFoundError:
        return False


def _end_wait_when_interrupted(over: threading.Event) -> None:
    """Raise in the main thread the interruption that Dagster notes but, between steps, ignores.

    A step empties the note as soon as it starts, so that one still there is that of a run which
    waits for a place in a pool.
    """
    seen = False
    while not over.wait(0.5):
        noted = check_captured_interrupt()
        if noted and seen:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(threading.main_thread().ident or 0),
                ctypes.py_object(dg.DagsterExecutionInterruptedError),
            )
            return
        seen = noted


@contextmanager
def _holding(run_id: str) -> Iterator[None]:
    path = _lock(run_id)
    unseen = path.with_suffix(".new")  # locked before anyone can see it and think it dead
    path.parent.mkdir(parents=True, exist_ok=True)
    with unseen.open("w") as lock:
        registre.taken(lock)
        unseen.rename(path)
        yield
        # Not if the slots could not be freed: the file then tells the next run.
        path.unlink(missing_ok=True)


def _lock(run_id: str) -> Path:
    return _folder() / f"{run_id}.lock"


def _folder() -> Path:
    return stores.dagster_home() / "en_cours"
