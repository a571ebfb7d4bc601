"""What is measured, and against whom: one module each, run as `python -m benchmarks.<name>`.

Every figure is shown as a table and kept in `benchmarks/results/<name>.json` with the machine and
the command that made it. Times are medians and ratios taken side by side in one run: the machines
are shared, and a wall time alone says little.
"""

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Metric:
    """One figure; `aim` is what it is wanted to reach, in words (`≥ 0,72`), if anything is."""

    name: str
    value: float | int | str | None
    unit: str = ""
    aim: str = ""


def record(benchmark: str, metrics: Iterable[Metric], **settings: object) -> Path:
    """Show `metrics` and write `results/<benchmark>.json`; `settings` say what was measured."""
    metrics = list(metrics)
    table = Table("mesure", "valeur", "unité", "visée", title=f"benchmarks.{benchmark}")
    table.columns[1].justify = "right"
    for metric in metrics:
        table.add_row(metric.name, _shown(metric.value), metric.unit, metric.aim)
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{benchmark}.json"
    told = {
        "benchmark": benchmark,
        "command": shlex.join(["python", "-m", f"benchmarks.{benchmark}", *sys.argv[1:]]),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": settings,
        "metrics": [asdict(metric) for metric in metrics],
    }
    path.write_text(json.dumps(told, ensure_ascii=False, indent=1, default=str) + "\n", "utf-8")
    return path


def machine() -> dict[str, object]:
    """Return what a reader needs to judge a time: cores, memory, load, versions."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load_before": round(os.getloadavg()[0], 1),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def _shown(value: float | int | str | None) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return "—" if value is None else f"{value:,}" if isinstance(value, int) else value
