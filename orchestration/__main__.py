"""Command line: `python -m orchestration build|run|serve|suivi|alertes|sql|status|purge|…`."""

import argparse
import getpass
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from dlt_pipelines import PARIS, stores
from dlt_pipelines.catalog import CATALOG
from orchestration.faults import check_settings

if TYPE_CHECKING:
    from orchestration.alerts.messages import Message
    from orchestration.alerts.subscriptions import Channel, Subscription
    from orchestration.state import Following, Source

# Dagster takes two seconds to import, dbt's assets four more: only where they are needed.

LOGS_KEPT = 30
COUNTED = ("set_aside", "refused")
STEP_OF = {
    "build": "Préparation",
    "run": "Préparation",
    "serve": "Service du site",
    "alertes": "Alertes",
    "suivi": "Suivi des sources rapides",
    "dagster": "Interface de Dagster",
    "sql": "Invite SQL",
    "status": "Lecture de l'état",
    "purge": "Purge",
    "erase": "Effacement",
    "encrypt": "Chiffrement",
    "rotate-key": "Changement de clé",
    "metrics": "Lecture de l'état",
    "sauvegarde": "Sauvegarde",
    "restauration": "Restauration",
    "triage": "Triage d'un signal",
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m orchestration", description="Lancer, suivre et consulter CyberImpact."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="commande")
    served = argparse.ArgumentParser(add_help=False)
    served.add_argument("--port", type=_port, default=8000, help="port du site (8000)")
    commands.add_parser("build", help="prendre, construire, contrôler, publier, faire le site")
    commands.add_parser("run", help="build, puis servir le site", parents=[served])
    commands.add_parser("serve", help="servir le site déjà construit", parents=[served])
    alerts = commands.add_parser("alertes", help="envoyer ce qui est dû aux abonnés")
    alerts.add_argument(
        "--a-blanc", action="store_true", help="montrer ce qui partirait, sans rien envoyer"
    )
    commands.add_parser("suivi", help="suivre sans s'arrêter les sources rapides, à la seconde")
    ui = commands.add_parser("dagster", help="ouvrir l'interface de Dagster et son horloge")
    ui.add_argument("--port", type=_port, default=3000, help="port de l'interface (3000)")
    sql = commands.add_parser("sql", help="interroger les tables publiées, en lecture seule")
    sql.add_argument("-c", dest="query", metavar="requête", help="une requête, puis sortir")
    commands.add_parser("status", help="l'état en un écran")
    commands.add_parser("purge", help="effacer ce qui a dépassé sa durée, et tout refaire sans")
    erased = commands.add_parser("erase", help="effacer une personne partout, et le prouver")
    erased.add_argument("--pseudonyme", metavar="X", help="tel que les tables le montrent")
    erased.add_argument(
        "--reference",
        metavar="SOURCE:REF",
        help="telle que la source l'écrit ; - pour la taper sans qu'elle reste à l'historique",
    )
    commands.add_parser("encrypt", help="chiffrer les données brutes, ou changer leur clé")
    rotated = commands.add_parser("rotate-key", help="changer la clé des pseudonymes")
    rotated.add_argument(
        "--perdue", action="store_true", help="la clé d'avant est perdue : garder les pseudonymes"
    )
    measured = commands.add_parser("metrics", help="l'état, au format de Prometheus")
    measured.add_argument("--vers", type=Path, metavar="fichier", help="l'écrire dans ce fichier")
    saved = commands.add_parser("sauvegarde", help="copier les entrepôts et la mémoire de Dagster")
    saved.add_argument("folder", metavar="dossier", type=Path, help="où garder les sauvegardes")
    saved.add_argument("--garder", type=int, metavar="N", help="supprimer les autres que N")
    restored = commands.add_parser("restauration", help="remettre une sauvegarde en place")
    restored.add_argument("copy", metavar="sauvegarde", type=Path, help="le dossier à remettre")
    restored.add_argument(
        "--remplacer", action="store_true", help="mettre de côté les données en place"
    )
    said = commands.add_parser("triage", help="lister les signaux ouverts, ou juger l'un d'eux")
    said.add_argument("signal", nargs="?", help="identifiant du signal, tel que sa page le montre")
    said.add_argument("verdict", nargs="?", help="vrai, faux, doublon ou « à suivre »")
    said.add_argument("--mot", default="", help="quelques mots, caviardés avant d'être écrits")
    said.add_argument("--agent", help="qui juge, gardé sous pseudonyme (compte de la session)")
    said.add_argument(
        "--debut", default="", help="début réel, s'il est connu (heure de Paris) : 2026-03-04T17:40"
    )
    arguments = parser.parse_args()
    if arguments.command == "erase" and not (
        bool(arguments.pseudonyme) ^ bool(arguments.reference)
    ):
        erased.error("donner --pseudonyme ou --reference, l'un des deux")
    try:
        stores.secure()
        check_settings()
        match arguments.command:
            case "build":
                return build()
            case "run":
                return port_taken(arguments.port) or build() or serve(arguments.port)
            case "serve":
                return serve(arguments.port)
            case "alertes":
                return send_alerts(is_rehearsal=arguments.a_blanc)
            case "suivi":
                return follow()
            case "dagster":
                return dagster_ui(arguments.port)
            case "sql":
                return sql_prompt(arguments.query)
            case "purge":
                return purge()
            case "erase":
                return erase(arguments.pseudonyme or "", arguments.reference or "")
            case "encrypt":
                return encrypt()
            case "rotate-key":
                return rotate_key(arguments.perdue)
            case "metrics":
                return metrics(arguments.vers)
            case "sauvegarde":
                return save(arguments.folder, arguments.garder)
            case "restauration":
                return restore(arguments.copy, arguments.remplacer)
            case "triage":
                return triage(arguments)
            case _:
                return status()
    except KeyboardInterrupt:
        print("\nInterrompu : relancer reprend sans rien perdre ni doubler.", file=sys.stderr)
        sys.stdout.flush()
        # An ordinary end would wait for dbt's threads, and abort on those that DuckDB holds.
        os._exit(130)
    except Exception as error:  # outside of a step: a dbt file, the disk, Dagster's home
        return _failed(arguments.command, error)


def _failed(command: str, error: Exception) -> int:
    """Say on one screen why `command` failed, and return its exit code."""
    from orchestration.faults import explain
    from orchestration.terminal import console, failure_panel, told

    trace = "".join(traceback.format_exception(error))
    try:
        log = _new_log()
        log.write_text(trace, encoding="utf-8")
    except OSError:  # the data folder itself may be the trouble
        log = Path(tempfile.gettempdir(), f"cyberimpact-{command}-{os.getpid()}.log")
        log.write_text(trace, encoding="utf-8")
    said = str(error) if "Remède : " in str(error) else f"{type(error).__name__} : {error}"
    console.print(failure_panel(told(STEP_OF[command], *explain(said)), log))
    return 1


def build() -> int:
    """Run `refresh_all` in this process; return 0 if all of it went well."""
    from orchestration.terminal import console

    console.print(f"[bold]CyberImpact[/] · données : {stores.data()}")
    started = time.monotonic()
    log = _new_log()
    ended = _run_job("refresh_all", log)
    if ended == 0:
        console.print(f"[green]Fait[/] en {time.monotonic() - started:.0f} s. Journal : {log}")
    return ended


def purge() -> int:
    """Purge what is due, make the rest again, and drop the publication that held it."""
    from orchestration import rights
    from orchestration.runs import open_instance
    from orchestration.terminal import console

    with open_instance() as instance:
        gone = rights.purge(instance)
    for (source, table, column), count in gone.rows.items():
        if count:
            what = f"textes vidés ({column})" if column else "lignes effacées"
            console.print(f"{source}{'.' if source else ''}{table} : {count} {what}")
    console.print(f"{len(gone.files)} fichiers ou dossiers supprimés")
    ended = _run_job("rebuild", _new_log()) if any(gone.rows.values()) else 0
    if ended == 0:
        rights.sweep()
    return ended


def erase(pseudonym: str, reference: str) -> int:
    """Erase a person everywhere, print the proof, and return 0 if nothing is left."""
    from orchestration import rights
    from orchestration.terminal import console

    reference = input("SOURCE:REF ? ") if reference == "-" else reference
    source, _, named = reference.partition(":")
    if source and (source not in CATALOG or not CATALOG[source].retention):
        holders = ", ".join(name for name, one in CATALOG.items() if one.retention)
        raise LookupError(
            f"« {source} » ne tient de données de personne. Remède : --reference SOURCE:REF, "
            f"la source parmi {holders}"
        )

    def rebuild() -> None:
        if _run_job("rebuild", _new_log()):
            raise rights.ErasureError(
                "les lignes sont effacées des données brutes, mais le reste n'a pas pu être "
                "refait, et les publications d'avant restent. Remède : corriger la cause dite "
                "plus haut, puis lancer `make build` et `python -m orchestration purge`."
            )

    erased = rights.erase(rebuild, pseudonym, source, named)
    console.print(rights.told(erased, sum(1 for _ in rights.searched())))
    return 0


def encrypt() -> int:
    """Write the raw store under the key of today, from the one of before, and drop the rest."""
    from dlt_pipelines import registre
    from orchestration.terminal import console

    with registre.WRITER:
        before = stores.derived(os.environ.get("CYBERIMPACT_STORE_KEY_BEFORE", ""))
        stores.rewrite(stores.raw(), registre.STORAGE, before)
        stores.warehouse().unlink(missing_ok=True)
    state = "chiffrées sous la clé donnée" if stores.key() else "en clair : aucune clé n'est donnée"
    console.print(f"Données brutes {state}. Lancer `make build` : l'entrepôt sera refait.")
    return 0


def rotate_key(is_lost: bool) -> int:
    from dlt_pipelines import rights
    from orchestration.terminal import console

    renamed = rights.rotate(is_lost)
    for (source, table, _), count in renamed.items():
        if count:
            console.print(f"{source}.{table} : {count} pseudonymes changés")
    console.print("Clé en place. Lancer `make build` : la publication portera les nouveaux.")
    return 0


def _run_job(job: str, log: Path) -> int:
    import logging

    import dagster as dg

    from orchestration.runs import holders, open_instance
    from orchestration.terminal import Terminal, console

    with console.status("chargement du projet"):
        from orchestration.assets import MADE, STEPS
        from orchestration.definitions import defs
    steps = STEPS if job == "refresh_all" else {name: STEPS[name] for name in MADE}
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    logging.raiseExceptions = False  # a log that cannot be written must not bury the failure
    with (
        open_instance() as instance,
        Terminal(steps, log, partial(holders, instance)) as terminal,
    ):
        viewed = dg.Definitions.merge(
            defs, dg.Definitions(loggers={"terminal": terminal.as_logger()})
        )
        result = viewed.resolve_job_def(job).execute_in_process(
            instance=instance,
            run_config={"loggers": {"terminal": {}}},
            tags={"lancé par": "python -m orchestration"},
            raise_on_error=False,
        )
    console.print(terminal.summary())
    if terminal.failures:
        console.print(terminal.failure())
        return 1
    if not result.success:
        raise KeyboardInterrupt
    return 0


def port_taken(port: int) -> int:
    """Return 1, and say what to do, if another program listens on `port`; else 0."""
    with socket.socket() as probe:
        # As uvicorn does, or a port whose last connections are closing would pass for taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            print(
                f"Le port {port} n'est pas libre ({error}). Remède : fermer le programme qui le "
                f"tient, ou en choisir un autre, avec `--port` ou, après `make`, `PORT=8001`.",
                file=sys.stderr,
            )
            return 1
    return 0


def serve(port: int) -> int:
    from orchestration.site import serve as serve_site
    from orchestration.terminal import console

    if not (stores.site() / "index.html").exists():
        console.print("Aucun site construit. Remède : lancer `make build`.")
        return 1
    if port_taken(port):
        return 1
    console.print(
        Panel(
            f"Site         http://127.0.0.1:{port}\n"
            "Dagster      make dagster   (ce qui a tourné, a vieilli, d'où vient un chiffre)\n"
            "SQL          make sql       (les tables marts, en lecture seule)\n"
            "État         make status",
            title="À ouvrir ensuite",
        )
    )
    serve_site(stores.site(), port=port)
    return 0


def send_alerts(*, is_rehearsal: bool) -> int:
    """Send what is due, or show it; return 1 if a channel is down or the file is faulty."""
    from orchestration import alerts
    from orchestration.terminal import console

    outcome = alerts.rehearse(_show_alert) if is_rehearsal else alerts.send()
    for fault in outcome.faults:
        console.print(f"[red]✗[/] {alerts.subscriptions.path().name}, {escape(str(fault))}")
    for failure in outcome.failed:
        console.print(f"[red]✗[/] {escape(failure)}")
    console.print(("à blanc · " if is_rehearsal else "") + escape(str(outcome)))
    return 1 if outcome.faults or outcome.failed else 0


def _show_alert(subscription: "Subscription", channel: "Channel", message: "Message") -> None:
    print(f"── {subscription.name} · {channel.kind} · {message.subject}\n\n{message.text}\n")


def follow() -> int:
    from orchestration.terminal import console

    with console.status("chargement du projet"):
        from orchestration import worker
    console.print(f"[bold]Suivi[/] · données : {stores.data()} (Ctrl-C pour arrêter)")
    return worker.main()


def dagster_ui(port: int) -> int:
    """Run Dagster's webserver and daemon until interrupted."""
    from orchestration.runs import open_instance

    if port_taken(port):
        return 1
    with open_instance():
        print(f"Dagster : http://127.0.0.1:{port} (prêt dans une demi-minute, Ctrl-C pour arrêter)")
    command = ["dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    # `dagster dev` leaves children behind when it is stopped: they go with their group.
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *command, "--log-level", "warning"],
        cwd=stores.ROOT,
        start_new_session=True,
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        return process.wait()
    finally:
        for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
            try:
                os.killpg(process.pid, number)
                process.wait(patience)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue


def sql_prompt(query: str | None) -> int:
    """Become the duckdb prompt on the published file, read-only."""
    if not stores.published().exists():
        print("Aucune publication. Remède : lancer `make build`.", file=sys.stderr)
        return 1
    duckdb_cli = Path(sys.executable).with_name("duckdb")
    command = [str(duckdb_cli), "-readonly", str(stores.published()), "-cmd", "use marts"]
    os.execv(duckdb_cli, [*command, *(["-c", query] if query else [])])  # noqa: S606


def save(folder: Path, keep: int | None) -> int:
    from orchestration import backup
    from orchestration.state import bytes_in
    from orchestration.terminal import console

    copy = backup.save(folder, keep)
    console.print(f"[green]Sauvegardé[/] dans {copy} ({_size(bytes_in(copy))})", soft_wrap=True)
    return 0


def restore(copy: Path, replace: bool) -> int:
    from orchestration import backup
    from orchestration.terminal import console

    aside = backup.restore(copy, replace)
    console.print(f"[green]Remis en place[/] dans {stores.data()}", soft_wrap=True)
    if aside:
        console.print(f"Ce qui y était : {aside}, que la prochaine purge efface.", soft_wrap=True)
    console.print("Lancer maintenant `make build` : il refait le site et reprend le dépôt.")
    return 0


# Dagster's words for what became of a run → ours.
STATUSES = {
    "QUEUED": "en attente",
    "NOT_STARTED": "en attente",
    "STARTING": "en cours",
    "STARTED": "en cours",
    "SUCCESS": "réussi",
    "FAILURE": "en échec",
    "CANCELING": "interrompu",
    "CANCELED": "interrompu",
}


def status() -> int:
    from orchestration import alerts, state
    from orchestration.runs import open_instance
    from orchestration.terminal import console

    with open_instance() as instance:
        now = state.read(instance)
    for label, run in (("Dernier run", now.last_run), ("Dernier run entier", now.last_success)):
        if run:
            when = _told(run.started) if run.started else "en attente"
            lasted = f", {run.seconds:.0f} s" if run.seconds else ""
            told = STATUSES.get(run.status, run.status)
            console.print(f"[bold]{label:<21}[/] {run.job} · {told} · {when}{lasted}")
    if now.published is None:
        under_way = now.last_run and STATUSES.get(now.last_run.status) == "en cours"
        remedy = "attendre la fin du run" if under_way else "lancer `make build`"
        console.print(f"Aucune publication. Remède : {remedy}.")
        return 1
    console.print(f"[bold]{'Dernière publication':<21}[/] {_told(now.published)} (heures de Paris)")
    console.print(_sources_table(now.sources))
    late = [source.label for source in now.sources if source.is_late]
    told = f"[red]{', '.join(late)}[/]" if late else "[green]aucune[/]"
    console.print(f"[bold]Sources en retard[/] {told}")
    aside, refused = (sum(getattr(each, name) for each in now.sources) for name in COUNTED)
    console.print(f"[bold]Quarantaine[/] {aside} lignes · {refused} fichiers refusés")
    if now.signals is not None:
        signals = ", ".join(f"{count} {name}" for name, count in now.signals.items())
        console.print(f"[bold]Signaux ouverts[/] {signals or 'aucun'}")
    console.print(f"[bold]Alertes[/] {alerts.summary()}")
    if now.following:
        console.print(f"[bold]Suivi[/] {_followed(now.following)}")
    sizes = ", ".join(f"{name} {_size(size)}" for name, size in now.bytes_of.items() if size > 1e5)
    console.print(f"[bold]Disque[/] {sizes} · libre {_size(now.free)}")
    return 0


def _followed(following: "Following") -> str:
    if not following.is_alive:
        return f"[yellow]arrêté[/], dernier cycle le {_told(following.cycle)}"
    told = f"[green]en marche[/] depuis le {_told(following.started)}"
    told += f", {following.rows} lignes publiées"
    if following.p50 is not None and following.p95 is not None:
        told += f", en {following.p50:.1f} s (médiane) et {following.p95:.1f} s (95 %)"
    if following.failing:
        told += f" · [red]en échec : {', '.join(following.failing)}[/]"
    if following.fault:
        told += f" · [red]{escape(following.fault.splitlines()[0])}[/]"
    return told


def metrics(target: Path | None) -> int:
    """Print the state for Prometheus, or write it to `target` in one step for its readers."""
    from orchestration import state
    from orchestration.runs import open_instance

    with open_instance() as instance:
        told = state.prometheus(state.read(instance))
    if target is None:
        print(told, end="")
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    fresh.write_text(told, "utf-8")
    fresh.chmod(0o644)
    os.replace(fresh, target)
    return 0


def triage(arguments: argparse.Namespace) -> int:
    from orchestration.terminal import console
    from orchestration.triage import TriageError, note, open_signals

    try:
        if arguments.signal is None:
            signals = open_signals()
            console.print(signals if signals.row_count else "Aucun signal ouvert.")
            return 0
        verdict = note(
            arguments.signal,
            arguments.verdict or "",
            arguments.agent or getpass.getuser(),
            arguments.mot,
            arguments.debut,
        )
    except TriageError as refused:
        print(refused, file=sys.stderr)
        return 1
    console.print(f"Noté : {arguments.signal}, {verdict}. Compté à la prochaine `make build`.")
    return 0


def _sources_table(sources: Iterable["Source"]) -> Table:
    names = ("Source", "Origine", "Lignes", "Jusqu'au", "Prise", "Écartées", "Refusés")
    table = Table(*names, box=SIMPLE_HEAD, pad_edge=False)
    for column in table.columns[1:]:  # on a narrow screen the name gives way, not the figures
        column.no_wrap = True
    origins = {"reel": "réelle", "bac_a_sable": "inventée", None: "–"}
    for source in sources:
        hours = source.hours
        age = "jamais" if hours is None else f"{hours:.0f} h" if hours < 48 else f"{hours // 24} j"
        table.add_row(
            source.label,
            origins[source.origin],
            f"{source.rows:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
            f"{source.until:%d/%m/%Y}" if source.until else "–",
            f"[red]{age}, trop vieux[/]" if source.is_late else f"[green]{age}[/]",
            *(f"[yellow]{n}[/]" if n else "0" for n in (source.set_aside, source.refused)),
        )
    return table


def _new_log() -> Path:
    folder = stores.data() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("build-*.log"))[:-LOGS_KEPT]:
        old.unlink()
    return folder / f"build-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"« {text} » n'est pas un port : un nombre de 1 à 65535")
    return int(text)


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(PARIS):%d/%m/%Y %H:%M}"


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} Go" if count >= 1e9 else f"{count / 1e6:.1f} Mo"


if __name__ == "__main__":
    sys.exit(main())
