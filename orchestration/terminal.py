"""What a person sees of a run that goes on: a view over the events Dagster logs."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from orchestration.faults import explain

console = Console(highlight=False)

SHOWN = 3  # failures that fit on one screen


@dataclass
class Step:
    label: str
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    outcome: str = "non fait"
    said: str = ""


class Terminal(logging.Handler):
    """Print each step as it starts, speaks and ends; keep the whole in a log file."""

    def __init__(
        self, labels: dict[str, str], log: Path, holders: Callable[[str], str]
    ) -> None:  # holders(pool): the runs it waits for
        super().__init__()
        self._holders = holders
        self.steps = {key: Step(label) for key, label in labels.items()}
        self.failures: list[tuple[Step, str, str]] = []  # with cause and remedy
        self.log = log
        self._file = logging.FileHandler(log, encoding="utf-8")
        self._file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self._progress = Progress(
            SpinnerColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("démarrage")

    def __enter__(self) -> "Terminal":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        self._file.close()

    def as_logger(self) -> dg.LoggerDefinition:
        """Return the Dagster logger that feeds this view, and nothing else of the console."""

        @dg.logger
        def terminal(_: dg.InitLoggerContext) -> logging.Logger:
            logger = logging.Logger("terminal", logging.DEBUG)
            logger.addHandler(self)
            return logger

        return terminal

    def emit(self, record: logging.LogRecord) -> None:
        self._file.emit(record)
        meta = record.dagster_meta  # type: ignore[attr-defined]
        event, step = meta["dagster_event"], self.steps.get(meta["step_key"])
        if step is None:
            if event and event.event_type_value == "PIPELINE_FAILURE":
                self._run_failed(event.event_specific_data.error)
            return
        if event is None:
            if step.outcome == "en cours":
                self._says(step, meta["orig_message"])
            return
        match event.event_type_value:
            case "STEP_START":
                step.started, step.outcome = time.monotonic(), "en cours"
                self._progress.reset(self._task)
                self._print(f"[bold]▸[/] {step.label}")
                self._says(step, "")
            case "STEP_SUCCESS":
                step.outcome = "inchangé" if step.said.startswith("inchangé") else "fait"
                self._ended(step, "[green]✓[/]", step.said)
            case "STEP_UP_FOR_RETRY":
                cause, _ = _explained(event.event_specific_data.error, None)
                self._ended(step, "[yellow]↻[/]", f"nouvel essai dans un instant : {cause}")
            case "STEP_FAILURE" if _is_interruption(event.event_specific_data.error):
                step.outcome = "interrompu"
                self._ended(step, "[yellow]■[/]", "interrompu")
            case "STEP_FAILURE":
                data = event.event_specific_data
                user = data.user_failure_data
                step.outcome = "échec"
                self.failures.append((step, *_explained(data.error, user and user.description)))
                self._ended(step, "[red]✗[/]", "échec")
            case "ASSET_CHECK_EVALUATION":
                check = event.event_specific_data
                if not check.passed:
                    colour = "red" if check.severity.value == "ERROR" else "yellow"
                    counts = ", ".join(
                        f"{name} : {entry.value}"
                        for name, entry in check.metadata.items()
                        if type(entry.value) is int
                    )
                    self._print(f"  [{colour}]![/] {check.check_name} · {escape(counts)}")
            case "ENGINE_EVENT" if "blocked by limit" in event.message:
                holders = self._holders(event.event_specific_data.metadata["pool"].value)
                self._print(f"  {step.label} attend la fin de : {escape(holders)}")

    def summary(self) -> Table:
        """Return the table of what each step did."""
        table = Table("Étape", "Issue", "Ce qui a été fait", "Durée", box=SIMPLE_HEAD)
        table.columns[3].justify = "right"
        for step in self.steps.values():
            seconds = f"{step.seconds:.1f} s" if step.seconds else ""
            said = escape(step.said.removeprefix("inchangé · "))
            table.add_row(step.label, step.outcome, said, seconds)
        return table

    def failure(self) -> Panel:
        """Return one screen: the step, the cause, the remedy, the log."""
        parts = [told(step.label, cause, remedy) for step, cause, remedy in self.failures[:SHOWN]]
        if others := ", ".join(step.label for step, *_ in self.failures[SHOWN:]):
            parts.append(f"[bold]Et aussi[/] {escape(others)}")
        return failure_panel("\n\n".join(parts), self.log)

    def _run_failed(self, error: Any) -> None:
        # A failed step has said more; here speaks a run that fails between its steps.
        if error and not self.failures and not _is_interruption(error):
            self.failures.append((Step("Run"), *_explained(error, None)))

    def _ended(self, step: Step, sign: str, said: str) -> None:
        step.seconds = time.monotonic() - step.started
        self._print(f"{sign} {step.label} · {step.seconds:.1f} s · {escape(said)}")

    def _says(self, step: Step, said: str) -> None:
        # Where nothing can be redrawn each line is printed, but the last: it ends the step.
        if not console.is_terminal and step.said:
            self._print(f"  [dim]{escape(step.said)}[/]")
        step.said = said
        self._progress.update(self._task, description=f"{step.label}  [dim]{escape(said)}[/]")

    def _print(self, text: str) -> None:
        self._progress.console.print(text, soft_wrap=not console.is_terminal)


def told(step: str, cause: str, remedy: str) -> str:
    return "\n".join(
        f"[bold]{word:<7}[/] {escape(said)}"
        for word, said in (("Étape", step), ("Cause", cause), ("Remède", remedy))
    )


def failure_panel(text: str, log: Path) -> Panel:
    return Panel(f"{text}\n\n[bold]Journal[/] {log}", title="Échec", border_style="red")


def _is_interruption(error: Any) -> bool:
    while error and error.cls_name != "DagsterExecutionInterruptedError":
        error = error.cause
    return error is not None


def _explained(error: Any, description: str | None) -> tuple[str, str]:
    """Return the cause and the remedy of a failed step, without a traceback."""
    while error.cause:
        error = error.cause
    return explain(description or error.message)
