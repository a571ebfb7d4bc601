"""A run lives as long as its process; a dead one gives its place in the pools back.

Dagster keeps the slots of a killed run for ever, and the next run would wait for ever. Each run
holds a file lock that the system releases whatever ends the process, `kill -9` included: unlike a
process id, a lock is never mistaken for that of a newer process.
"""

import fcntl
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import dagster as dg

from dlt_pipelines import stores

SECONDS_BETWEEN_LOOKS = 5


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
        close_dead_runs(instance)
        while not over.wait(SECONDS_BETWEEN_LOOKS):
            close_dead_runs(instance)

    with _holding(run_id):
        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            over.set()
            instance.event_log_storage.free_concurrency_slots_for_run(run_id)


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark failed the runs whose process is gone, free their slots, and return their ids."""
    closed = []
    for path in sorted(_folder().glob("*.lock")):
        try:
            lock = path.open()
        except FileNotFoundError:  # its run has just ended
            continue
        with lock:
            if not _taken(lock):
                continue
            run = instance.get_run_by_id(path.stem)
            if run and not run.is_finished:
                instance.report_run_failed(run, "Le processus de ce run a été tué.")
            instance.event_log_storage.free_concurrency_slots_for_run(path.stem)
            path.unlink(missing_ok=True)
            closed.append(path.stem)
    return closed


@contextmanager
def _holding(run_id: str) -> Iterator[None]:
    path = _folder() / f"{run_id}.lock"
    unseen = path.with_suffix(".new")  # locked before anyone can see it and think it dead
    path.parent.mkdir(parents=True, exist_ok=True)
    with unseen.open("w") as lock:
        _taken(lock)
        unseen.rename(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _taken(lock: TextIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _folder() -> Path:
    return stores.dagster_home() / "en_cours"
