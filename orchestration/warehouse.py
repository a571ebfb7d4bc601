"""Run dbt inside this process: a subprocess costs 8 to 13 s a run, this one its SQL.

Nothing here knows Dagster. The manifest is parsed when a dbt file has changed, once per process.
"""

import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass
from functools import cache
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb

from dbt_project.udfs import progress
from dlt_pipelines import stores
from dlt_pipelines.catalog import CATALOG
from orchestration import cluster, marks, publication

PROJECT = stores.ROOT / "dbt_project"
LAYERS = ("staging", "intermediate", "marts", "seeds")

Report = Callable[[str], None]


class WarehouseError(RuntimeError):
    """dbt could not read its project or build it; cause and remedy, in French."""


@dataclass(frozen=True)
class Node:
    """What became of one dbt node; `rows` of a table, `failures` of a test."""

    unique_id: str
    kind: str  # dbt's resource type
    status: str  # dbt's: success, pass, warn, fail, error, skipped
    seconds: float
    rows: int | None
    failures: int | None
    message: str | None
    where: str | None  # compiled SQL, under the data folder

    @property
    def is_broken(self) -> bool:
        return self.status in ("fail", "error")


# What the generic tests verify, as readers of the quality page are told.
NATURES = {
    "unique": "Une valeur ne vient qu'une fois",
    "unique_combination": "Une ligne par grain annoncé",
    "told_once": "Un mot ne dit qu'une chose",
    "not_null": "Jamais vide",
    "not_null_proportion": "Rarement vide",
    "not_negative": "Jamais négatif",
    "relationships": "Renvoie à une ligne qui existe",
    "known_in": "Renvoie à une ligne qui existe",
    "accepted_values": "Un mot de la liste",
    "one_of": "Un mot de la liste",
}


@dataclass(frozen=True)
class Build:
    nodes: list[Node]
    is_unchanged: bool

    def __str__(self) -> str:
        if self.is_unchanged:
            return "inchangé · ni les données brutes ni les modèles n'ont bougé"
        kinds = [node.kind for node in self.nodes]
        warnings = sum(node.status == "warn" for node in self.nodes)
        return (
            f"{kinds.count('model')} modèles, {kinds.count('seed')} référentiels, "
            f"{kinds.count('test') + kinds.count('unit_test')} contrôles, "
            f"{warnings} avertissement{'s' * (warnings > 1)}"
        )


def manifest() -> Path:
    """Return the path of the manifest, parsed again only if a dbt file has changed.

    Raises:
        WarehouseError: a dbt file does not parse.
    """
    path = stores.data() / "dbt" / "manifest.json"
    code = _code()
    if marks.get("manifest", code, path) is None:
        # dbt writes the file in place: another process may be reading it.
        fresh = path.with_suffix(f".{os.getpid()}")
        _runner().manifest.write(str(fresh))
        os.replace(fresh, path)
        marks.put("manifest", code, "", path)
    return path


def prepare(*followed: str) -> None:
    """Parse the project, and single out what is tagged so, now rather than at the first build."""
    _runner()
    for tag in followed:
        _following(tag)


def refresh(report: Report) -> Build:
    """Build and test everything, unless it already stands on the same raw data and dbt files."""
    made_from = marks.fingerprint(_raw_state(), _code(), cluster.ENGINE)
    note = marks.get("warehouse", made_from, stores.warehouse())
    if note is not None:
        return Build([Node(**node) for node in note], is_unchanged=True)
    nodes = build([], report)
    if not any(node.is_broken for node in nodes):
        if cluster.ENGINE == "duckdb":
            _drop_orphans()
        marks.put("projet", _code(), "")
        marks.put("warehouse", made_from, [asdict(node) for node in nodes], stores.warehouse())
    return Build(nodes, is_unchanged=False)


def is_of_this_project() -> bool:
    """Say whether the last whole build that ended well is one of the dbt files that are here."""
    return marks.made_from("projet") == _code()


def build(arguments: Iterable[str], report: Report) -> list[Node]:
    """Run `dbt build` with `arguments` (a selection), and return what became of each node.

    A node that fails skips those after it; the others are built. Raises only when dbt itself stops.
    """
    marks.forget("warehouse")
    return _run(["build", *arguments], report)


def follow(tag: str, report: Report, part: int | None = None) -> list[Node]:
    """Add what is new to the models tagged `tag`, and return what became of each node.

    Of the checks, those that would stop a publication of the marts among them, and read nothing
    else: what a whole build checked besides, of what no landing of the minute can change, stands.

    Args:
        tag: what the models are tagged with.
        report: called with each line of progress.
        part: which of its `parts` is built, after those before it; all of them by default.
    """
    marks.forget("warehouse")
    following = _following(tag)
    chosen = following.parts if part is None else following.parts[part : part + 1]
    asked = ["--select", *chain.from_iterable(chosen), "--indirect-selection", "empty"]
    os.environ[progress.FOLLOWS] = "1"
    try:
        return _run(
            ["build", *asked, "--vars", "{suivi: true}", "--cache-selected-only"],
            report,
            following.runner,
        )
    finally:
        del os.environ[progress.FOLLOWS]


def parts(tag: str) -> int:
    """Return in how many parts what is tagged `tag` can be built: a model in Python ends one."""
    return len(_following(tag).parts)


@dataclass(frozen=True)
class _Following:
    """A runner that knows what is followed and no more, and its models and checks by part."""

    runner: Any
    parts: list[list[str]]


@cache
def _following(tag: str) -> _Following:
    from dbt.cli.main import dbtRunner

    # At each run, dbt walks through the graph of all that its manifest holds: 0.6 s of 700 nodes.
    manifest = _runner().manifest.deepcopy()
    manifest.build_parent_and_child_maps()
    nodes, parents = manifest.nodes, manifest.parent_map
    chosen = {
        unique_id: node
        for unique_id, node in nodes.items()
        if node.resource_type == "model" and tag in node.tags
    }
    checks = {
        unique_id: node
        for unique_id, node in nodes.items()
        if node.resource_type == "test"
        and node.config.severity.lower() == "error"
        and chosen.keys() >= set(node.depends_on.nodes)
        and any(chosen[tested].schema == "marts" for tested in node.depends_on.nodes)
    }
    followed = chosen | checks
    known: dict[str, Any] = {}  # what is followed, and all that it comes from
    waiting = list(followed)
    while waiting:
        if (unique_id := waiting.pop()) in nodes and unique_id not in known:
            known[unique_id] = nodes[unique_id]
            waiting += parents[unique_id]
    order = TopologicalSorter({one: parents[one] for one in sorted(known)})
    parts: list[list[str]] = [[]]
    for unique_id in order.static_order():
        if node := followed.get(unique_id):
            parts[-1].append(node.name)
            if node.resource_type == "model" and node.language == "python":
                parts.append([])
    manifest.nodes = known
    manifest.unit_tests.clear()
    return _Following(dbtRunner(manifest=manifest), [part for part in parts if part])


def _run(arguments: list[str], report: Report, runner: Any = None) -> list[Node]:
    def announce(event: Any) -> None:
        if event.info.name != "NodeFinished":
            return
        node, result = event.data.node_info, event.data.run_result
        if node.resource_type in ("model", "seed"):
            report(f"{node.node_relation.schema}.{node.node_name} · {result.execution_time:.1f} s")

    runner = runner or _runner()
    runner.callbacks = [announce]
    if cluster.ENGINE == "spark":
        cluster.begin(_raw_state(), report)
    result = runner.invoke([*arguments, *_flags()])
    _close()
    if result.exception:
        raise result.exception
    if cluster.ENGINE == "spark":
        cluster.end(_known(), LAYERS)
    with stores.connect(stores.warehouse()) as connection:
        _drop_temporary(connection)
        built = {(run.node.schema, run.node.name) for run in result.result.results}
        rows = _table_rows(connection, built)
    return [_node(run, rows) for run in result.result.results]


def broken(nodes: Iterable[Node]) -> WarehouseError | None:
    """Return the error that says which nodes failed, or None if all went well."""
    failed = [node for node in nodes if node.is_broken]
    if not failed:
        return None
    lines = [
        f"- {node.unique_id.split('.', 2)[2]} : {' '.join((node.message or '').split())[:300]}"
        + (f" (SQL : {node.where})" if node.where else "")
        for node in failed[:5]
    ]
    more = f"\n- et {len(failed) - 5} autres" if len(failed) > 5 else ""
    return WarehouseError(
        f"{len(failed)} modèle(s) ou contrôle(s) bloquant(s) en défaut :\n"
        + "\n".join(lines)
        + more
        + "\nRemède : corriger le modèle ou la donnée en cause, puis relancer. "
        "La publication précédente reste en place."
    )


def descriptions(manifest: dict[str, Any]) -> dict[str, tuple[str, dict[str, str]]]:
    """Return mart -> (description, column -> description)."""
    return {
        node["name"]: (
            node["description"],
            {name: column["description"] for name, column in node["columns"].items()},
        )
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == "marts"
    }


def verdicts(manifest: dict[str, Any]) -> list[publication.Verdict]:
    """Return what the tests said when the warehouse was last built whole; none if it was not."""
    nodes = marks.get("warehouse", marks.made_from("warehouse"), stores.warehouse()) or []
    found = []
    for node in nodes:
        test = manifest["nodes"].get(node["unique_id"], {})
        if node["kind"] != "test" or not test:
            continue
        tested = manifest["nodes"].get(test.get("attached_node") or "", {})
        nature = (test.get("test_metadata") or {"name": ""})["name"]
        found.append(
            publication.Verdict(
                controle=test["name"],
                table_name=f"{tested['schema']}.{tested['name']}" if tested else None,
                nature=NATURES.get(nature, test["description"] or "Règle propre à l'entrepôt"),
                is_bloquant=test["config"]["severity"].lower() == "error",
                is_reussi=node["status"] == "pass",
                defauts_count=node["failures"] or 0,
            )
        )
    return found


def marts_without_source(manifest: dict[str, Any]) -> set[str]:
    """Return the marts that read at least one raw table without a row, or tell faults alone."""
    with stores.connect(stores.raw(), read_only=True) as connection:
        empty = {
            source["unique_id"]
            for source in manifest["sources"].values()
            if connection.execute(
                f'from "{source["schema"]}"."{source["name"]}" limit 1'
            ).fetchone()
            is None
        }

    def reads_empty(unique_id: str) -> bool:
        return unique_id in empty or any(map(reads_empty, manifest["parent_map"][unique_id]))

    return {
        node["name"]
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
        and node["schema"] == "marts"
        and (node["config"]["meta"].get("peut_etre_vide") or reads_empty(unique_id))
    }


def _close() -> None:
    """Let go of the stores: dbt keeps open what it attaches, as encrypted ones are."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


@cache
def _runner() -> Any:
    # Imported late: dbt takes two seconds that an unchanged run does not need.
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    if cluster.ENGINE == "spark":
        cluster.prepare()
    parsed = dbtRunner().invoke(["parse", *_flags()])
    if isinstance(parsed.result, Manifest) and any(
        getattr(node, "root_path", None) not in (None, str(PROJECT))
        for node in parsed.result.nodes.values()
    ):  # what was parsed from a checkout elsewhere has the seeds read there (dbt-core, 11550)
        parsed = dbtRunner().invoke(["parse", "--no-partial-parse", *_flags()])
    if not isinstance(parsed.result, Manifest):
        raise WarehouseError(
            f"Le projet dbt ne se lit pas : {parsed.exception} "
            "Remède : corriger le fichier nommé, puis relancer."
        )
    return dbtRunner(manifest=parsed.result)


def _flags() -> list[str]:
    target = str(stores.data() / "dbt")
    project = str(PROJECT)
    return [
        *("--project-dir", project, "--profiles-dir", project),
        *("--target-path", target, "--log-path", target, "--log-level", "none"),
        "--no-write-json",
    ]


def _code() -> str:
    return marks.files(PROJECT, leave_out=("target", "logs", "__pycache__"))


def _raw_state() -> list[Any]:
    """Return what tells one state of the raw store from another.

    Read from the rows themselves and not from the ledger of landings: a landing killed between its
    rows and its ledger would pass for nothing new. The day of the last landing is part of it, so
    that the first run of a day tells readers that the source was visited.
    """
    state: list[Any] = []
    with stores.connect(stores.raw(), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name, table_name, list(column_name order by column_index)"
            " from duckdb_columns() where not starts_with(table_name, '_dlt') and schema_name in ?"
            " group by all order by all",
            # By name: dlt keeps a `raw_<source>_staging` of its own from a second landing on.
            [[f"raw_{source}" for source in CATALOG] + ["registre", "quarantaine"]],
        ).fetchall()
        for schema, table, columns in tables:
            if table == "prises":
                what = "distinct source, origine, statut, cast(debut_at as date)"
            else:
                told = (
                    ["_empreinte", "_origine"]
                    if schema.startswith("raw_")
                    else [name for name in columns if not name.endswith("_at")]
                )
                what = f"count(*), sum(hash({', '.join(told)}))"
            query = f'select {what} from "{schema}"."{table}" order by all'  # noqa: S608
            state.append((schema, table, [columns, connection.execute(query).fetchall()]))
    return state


def _table_rows(
    connection: duckdb.DuckDBPyConnection, wanted: Collection[tuple[str, str]]
) -> dict[str, int]:
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables() where schema_name in ?", [LAYERS]
    ).fetchall()
    return {
        f"{schema}.{table}": connection.execute(
            f'select count(*) from "{schema}"."{table}"'  # noqa: S608
        ).fetchall()[0][0]
        for schema, table in tables
        if (schema, table) in wanted
    }


def _node(run: Any, rows: dict[str, int]) -> Node:
    compiled = getattr(run.node, "compiled_path", None)
    return Node(
        unique_id=run.node.unique_id,
        kind=str(run.node.resource_type),
        status=str(run.status),
        seconds=round(run.execution_time, 3),
        rows=rows.get(f"{run.node.schema}.{run.node.name}"),
        failures=run.failures,
        message=run.message,
        where=str(compiled) if compiled else None,
    )


def _drop_temporary(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what dbt leaves, at each run, of every incremental model in Python."""
    for (name,) in connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'main'"
        " and database_name = current_database()"
    ).fetchall():
        connection.execute(f'drop table main."{name}"')


def _drop_orphans() -> None:
    """Drop what a renamed or removed model left behind, or it would be published for ever."""
    known = _known()
    with stores.connect(stores.warehouse()) as connection:
        for schema, name, kind in connection.execute(
            "select table_schema, table_name, table_type from information_schema.tables"
            " where table_catalog = current_database() and table_schema in ?",
            [LAYERS],
        ).fetchall():
            if (schema, name) not in known:
                what = "view" if kind == "VIEW" else "table"
                connection.execute(f'drop {what} "{schema}"."{name}"')


def _known() -> set[tuple[str, str]]:
    nodes = _runner().manifest.nodes.values()
    return {(node.schema, node.alias) for node in nodes if hasattr(node, "alias")}
