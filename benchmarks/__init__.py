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
from statistics import median

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
HISTORY = Path(__file__).parent / "history.json"
WORSE = 1.15  # a ratio that grew by more is said; less is what two runs of one code differ by


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


def worsened(benchmark: str, ratios: dict[str, float]) -> list[str]:
    """Keep `ratios` (the smaller the better) in the history, and say which ones worsened.

    A ratio is compared with the median of those that this kind of machine has had before.
    """
    told = machine()
    kind = f"{told['cores']} cores, {told['memory_gib']} GiB, {told['architecture']}"
    history = json.loads(HISTORY.read_text("utf-8")) if HISTORY.exists() else {}
    past = history.setdefault(benchmark, {}).setdefault(kind, [])
    found = []
    for name, ratio in ratios.items():
        if known := [run["ratios"][name] for run in past if name in run["ratios"]]:
            usual = median(known)
            if ratio > WORSE * usual:
                found.append(f"{name} : {ratio:.2f}, d’ordinaire {usual:.2f} sur une telle machine")
    past.append(
        {
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "load": told["load_before"],
            "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()},
        }
    )
    HISTORY.write_text(json.dumps(history, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return found


def machine() -> dict[str, object]:
    """Return what a reader needs to judge a time: cores, memory, load, versions."""
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load_before": round(os.getloadavg()[0], 1),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def peak_mib() -> float:
    """Return what this process held at most, MiB; `ru_maxrss` would count its parent's too."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _shown(value: float | int | str | None) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return "—" if value is None else f"{value:,}" if isinstance(value, int) else value
