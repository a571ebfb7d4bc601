"""What every run did, as lines that a machine reads: one JSON object each, a file a day.

Dagster feeds it from all its processes (`python_logs` in dagster.yaml). Only names and counts are
written: neither messages nor errors, which may quote what somebody wrote.
"""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dlt_pipelines import stores
from dlt_pipelines.catalog import KEPT_DAYS

TOLD = {
    "PIPELINE_START": "run_start",
    "PIPELINE_SUCCESS": "run_success",
    "PIPELINE_FAILURE": "run_failure",
    "PIPELINE_CANCELED": "run_canceled",
    "STEP_START": "step_start",
    "STEP_SUCCESS": "step_success",
    "STEP_FAILURE": "step_failure",
    "STEP_UP_FOR_RETRY": "step_retry",
    "ASSET_MATERIALIZATION": "made",
    "ASSET_CHECK_EVALUATION": "check",
}


class Journal(logging.Handler):
    """Write the events of runs; at the start of each, delete the files of former months."""

    def emit(self, record: logging.LogRecord) -> None:
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None or event.event_type_value not in TOLD:
            return
        try:
            self._write(meta, event)
        except OSError:  # a full disk is told by the run itself, which must go on if it can
            self.handleError(record)

    def _write(self, meta: dict[str, Any], event: Any) -> None:
        kind = TOLD[event.event_type_value]
        if kind == "run_start":
            for old in sorted(_folder().glob("evenements-*.jsonl"))[: -KEPT_DAYS["runs"]]:
                old.unlink(missing_ok=True)
        write(
            kind,
            run=meta["run_id"],
            job=meta["job_name"],
            step=meta["step_key"],
            **_details(kind, event.event_specific_data),
        )


def write(kind: str, **told: Any) -> None:
    """Add a line, without what is None."""
    now = datetime.now(UTC)
    line = {"at": now.isoformat(timespec="milliseconds"), "event": kind, **told}
    known = {name: value for name, value in line.items() if value is not None}
    # One write, appended: lines of two processes never mix.
    with (_folder() / f"evenements-{now:%Y-%m-%d}.jsonl").open("ab", buffering=0) as file:
        file.write(json.dumps(known, ensure_ascii=False).encode() + b"\n")


def _folder() -> Path:
    folder = stores.data() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _details(kind: str, data: Any) -> dict[str, Any]:
    match kind:
        case "made":
            made = data.materialization
            return {"asset": made.asset_key.to_user_string(), "counts": _counts(made.metadata)}
        case "check":
            return {
                "asset": data.asset_key.to_user_string(),
                "check": data.check_name,
                "passed": data.passed,
                "severity": data.severity.value,
                "counts": _counts(data.metadata),
            }
        case "step_failure" | "step_retry" | "run_failure":
            return {"error": data.error.cls_name if data and data.error else None}
        case "step_success":
            return {"seconds": round(data.duration_ms / 1000, 3)}
    return {}


def _counts(metadata: dict[str, Any]) -> dict[str, float]:
    return {
        name: entry.value
        for name, entry in metadata.items()
        if type(entry.value) in (int, float) and len(name) < 40
    }
