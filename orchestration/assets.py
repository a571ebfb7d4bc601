"""Assets: what each step makes, from the outside systems to the report pages.

Every asset wraps one call of another room and says what came of it. Names are wires: the key of a
raw table is that of the dbt source which reads it, so the lineage joins with no configuration.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
from dagster_dbt.asset_utils import (
    get_asset_check_key_for_test,
    get_updated_cli_invocation_params_for_context,
)

from dlt_pipelines import registre, stores
from dlt_pipelines.catalog import CATALOG
from dlt_pipelines.landings import Landing, LandingError, land, land_together
from orchestration import alerts, cluster, marks, publication, rights, warehouse
from orchestration.faults import behind, explain
from orchestration.site import REPORTS, SiteError, build_site, page_marts

WRITER = "duckdb_writer"
SITE_BUILDER = "site_builder"
ALERTS_SENDER = "alerts_sender"

Events = Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]

RETRIES = 3
SECONDS_BEFORE_RETRY = 2  # doubled each time
SAID_IN_FRENCH = (
    LandingError,
    stores.StoreKeyError,
    warehouse.WarehouseError,
    cluster.ClusterError,
    publication.PublicationError,
    SiteError,
)


@contextmanager
def told_plainly(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Turn an error into a failure that says its cause, after new tries if it may pass.

    Not by a RetryPolicy: Dagster would apply it to an interruption too, and Ctrl-C start again.
    """
    try:
        yield
    except Exception as error:
        if _was_interrupted(error):
            raise dg.DagsterExecutionInterruptedError from error
        if isinstance(error, LandingError):
            may_pass = error.transient
        else:  # locks, networks
            may_pass = isinstance(error, OSError | duckdb.IOException)
        if may_pass and context.retry_number < RETRIES:
            delay = SECONDS_BEFORE_RETRY * 2**context.retry_number
            raise dg.RetryRequested(RETRIES, delay) from error
        said = behind(error)
        if not isinstance(error, SAID_IN_FRENCH):
            said = "\nRemède : ".join(explain(f"{type(error).__name__} : {error}"))
        raise dg.Failure(said, allow_retries=False) from error


def _was_interrupted(error: BaseException | None) -> bool:
    # dlt and dbt wrap the interruption in errors of their own.
    while error and not isinstance(error, dg.DagsterExecutionInterruptedError):
        error = error.__cause__ or error.__context__
    return error is not None


# ---- raw ------------------------------------------------------------------------------------

outside = [
    dg.AssetSpec(
        ["exterieur", source.name],
        group_name="exterieur",
        description=source.label,
        metadata={"url": dg.MetadataValue.url(source.url), "licence": source.licence},
    )
    for source in CATALOG.values()
]


class SideBySide:
    """The landings of one run: the waits of its sources overlap, each step tells its own."""

    def __init__(self) -> None:
        self._coming: dict[str, Future[Landing]] | None = None
        self._said: dict[str, SimpleQueue[str]] = defaultdict(SimpleQueue)
        self._over = Event()
        self._held = ExitStack()

    def land(self, name: str, others: Collection[str], report: Callable[[str], None]) -> Landing:
        """Return the landing of `name`; the first call starts those of `others` too.

        Raises:
            LandingError: as `land` does; a second call for the same source lands it anew.
        """
        if self._coming is None:
            self._coming = self._held.enter_context(land_together(others, self._hear))
        coming = self._coming.pop(name, None)
        if coming is None:
            return land(name, report)
        done = False
        while not done:
            done = bool(wait([coming], timeout=0.1).done)
            while not self._said[name].empty():
                report(self._said[name].get())
        return coming.result()

    def close(self) -> None:
        """Let no landing start or read on; what dlt is writing is written."""
        self._over.set()
        for coming in (self._coming or {}).values():
            coming.cancel()
        self._held.close()

    def _hear(self, name: str, line: str) -> None:
        if self._over.is_set():
            raise dg.DagsterExecutionInterruptedError  # what `except Exception` lets through
        self._said[name].put(line)


@dg.resource
def landings(_: dg.InitResourceContext) -> Iterator[SideBySide]:
    """Share the landings of a run between its steps."""
    shared = SideBySide()
    try:
        yield shared
    finally:
        shared.close()


def raw_asset(name: str) -> dg.AssetsDefinition:
    """Return the tables of one source, landed together."""
    source = CATALOG[name]
    first = dg.AssetKey([name, source.tables[0]])

    @dg.multi_asset(
        name=name,
        specs=[
            dg.AssetSpec(
                [name, table],
                deps=[["exterieur", name]],
                group_name="raw",
                kinds={"dlt", "duckdb"},
                description=f"{source.label} : {table}, comme reçu et protégé.",
                freshness_policy=dg.FreshnessPolicy.time_window(
                    warn_window=source.max_age, fail_window=2 * source.max_age
                ),
            )
            for table in source.tables
        ],
        check_specs=[
            dg.AssetCheckSpec(
                f"{name}_has_no_quarantine",
                asset=first,
                description="Lignes mises de côté, et pourquoi.",
            ),
            dg.AssetCheckSpec(
                f"{name}_has_no_refused_file",
                asset=first,
                description="Fichiers du dépôt refusés, et pourquoi.",
            ),
            # The freshness policy sees that the source was visited, which a run does every day;
            # files that nobody drops any more grow old unseen without this one.
            dg.AssetCheckSpec(
                f"{name}_is_fresh",
                asset=first,
                description=f"Du nouveau depuis moins de {source.max_age.days} jours.",
            ),
        ],
        pool=WRITER,
        required_resource_keys={"living_run", "landings"},
    )
    def landed(context: dg.AssetExecutionContext) -> Events:
        steps = context.run.step_keys_to_execute or [node.name for node in context.job_def.nodes]
        with told_plainly(context):
            landing = context.resources.landings.land(
                name, [step for step in steps if step in CATALOG], context.log.info
            )
            held = _held(landing)
        context.log.info(_sentence(landing))
        for table, count in landing.tables.items():
            yield dg.MaterializeResult(
                asset_key=[name, table],
                metadata={
                    "dagster/row_count": held.rows[table],
                    "lignes lues": count.read,
                    "lignes nouvelles": count.new,
                    "lignes modifiées": count.changed,
                    "lignes écartées": count.quarantined,
                    "fichiers pris": landing.files_taken,
                    "avertissements": landing.warnings,
                    "origine": landing.origin,
                    "curseur": f"{landing.cursor_from or '–'} → {landing.cursor_to or '–'}",
                    "secondes": round(landing.seconds, 2),
                },
            )
        yield dg.AssetCheckResult(
            asset_key=first,
            check_name=f"{name}_has_no_quarantine",
            passed=not held.reasons,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"lignes écartées": sum(held.reasons.values()), **held.reasons},
        )
        yield dg.AssetCheckResult(
            asset_key=first,
            check_name=f"{name}_has_no_refused_file",
            passed=not landing.files_refused,
            severity=dg.AssetCheckSeverity.WARN,
            metadata=dict(landing.files_refused),
        )
        yield dg.AssetCheckResult(
            asset_key=first,
            check_name=f"{name}_is_fresh",
            passed=held.days_since_news <= source.max_age.days,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"jours depuis la dernière nouveauté": held.days_since_news},
        )

    return landed


@dataclass(frozen=True)
class Held:
    """What a source holds after a landing; `reasons` of its quarantine -> rows."""

    rows: dict[str, int]
    reasons: dict[str, int]
    days_since_news: int


def _held(landing: Landing) -> Held:
    with registre.ledger() as connection:
        rows = {
            table: connection.execute(
                f'select count(*) from raw_{landing.source}."{table}"'  # noqa: S608
            ).fetchall()[0][0]
            for table in landing.tables
        }
        reasons = connection.execute(
            "select motif, count(*) from quarantaine.lignes where source = ? group by all",
            [landing.source],
        ).fetchall()
        days = connection.execute(
            "select coalesce(date_diff('day', max(debut_at), now()), 0) from registre.prises"
            " where source = ? and lignes_nouvelles + lignes_modifiees > 0",
            [landing.source],
        ).fetchall()[0][0]
    return Held(rows, dict(reasons), days)


def _sentence(landing: Landing) -> str:
    origin = {"reel": "données réelles", "bac_a_sable": "bac à sable"}[landing.origin]
    counts = {
        "lues": landing.total("read"),
        "nouvelles": landing.total("new"),
        "modifiées": landing.total("changed"),
        "écartées": landing.total("quarantined"),
        "fichiers refusés": len(landing.files_refused),
    }
    said = ", ".join(
        f"{_spaced(count)} {word}" for word, count in counts.items() if count or word == "lues"
    )
    return f"{'' if landing.changed else 'inchangé · '}{origin} · {said}"


def _spaced(count: int) -> str:
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


raw = [raw_asset(name) for name in CATALOG]

# Each landing writes a line here; dbt reads them as it reads the sources.
ledger = [
    dg.AssetSpec(key, deps=raw, group_name="raw", kinds={"duckdb"}, description=description)
    for key, description in {
        ("registre", "sources"): "Les sources, telles que le catalogue les nomme.",
        ("registre", "prises"): "Une ligne par prise.",
        ("registre", "traitements"): "Une ligne par source, table et colonne personnelle.",
        ("registre", "fichiers"): "Une ligne par fichier reçu, pris ou refusé.",
        ("quarantaine", "lignes"): "Une ligne par ligne écartée.",
    }.items()
]


@dg.asset(
    key=["registre", "purges"],
    group_name="raw",
    kinds={"duckdb"},
    description="Ce qui a dépassé sa durée de conservation s'efface, et ne revient pas.",
    pool=WRITER,
    required_resource_keys={"living_run"},
)
def purges(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
    with told_plainly(context):
        gone = rights.purge(context.instance)
    counts = {".".join(filter(None, place)): count for place, count in gone.rows.items() if count}
    context.log.info(f"{sum(counts.values())} lignes ou textes, {len(gone.files)} fichiers")
    return dg.MaterializeResult(
        metadata={"effacés": dg.MetadataValue.json(counts), "fichiers": len(gone.files)}
    )


# ---- warehouse ------------------------------------------------------------------------------


class Names(DagsterDbtTranslator):
    """Group by layer, and marts by pillar: both are folders."""

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        if dbt_resource_props["resource_type"] == "seed":
            return "seeds"
        _, *folders, _ = dbt_resource_props["fqn"]
        layer, *inner = folders
        return str(inner[0] if layer == "marts" and inner else layer)


MANIFEST: dict[str, Any] = json.loads(warehouse.manifest().read_text())
NAMES = Names(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))


@dbt_assets(
    name="warehouse",
    manifest=MANIFEST,
    dagster_dbt_translator=NAMES,
    pool=WRITER,
    required_resource_keys={"living_run"},
)
def built(context: dg.AssetExecutionContext) -> Events:
    with told_plainly(context):
        if context.is_subset:
            selection = get_updated_cli_invocation_params_for_context(context, MANIFEST, NAMES)
            arguments = [*selection.selection_args]
            if selection.indirect_selection:
                arguments += ["--indirect-selection", selection.indirect_selection]
            with registre.WRITER:
                nodes = warehouse.build(arguments, context.log.info)
            result = warehouse.Build(nodes, is_unchanged=False)
        else:
            with registre.WRITER:
                result = warehouse.refresh(context.log.info)
        # An unchanged step says again what its build said: its tables and the verdicts of its
        # tests are those of the same rows. Without these events Dagster would skip what follows,
        # and a publication or a site that failed last time would never be repaired.
        for node in result.nodes:
            yield from events(node, result.is_unchanged)
        if error := warehouse.broken(result.nodes):
            raise error
    context.log.info(str(result))


def events(node: warehouse.Node, is_unchanged: bool) -> Events:
    """Yield what Dagster is told of a dbt node."""
    metadata: dict[str, Any] = {"secondes": node.seconds, "inchangé": is_unchanged}
    if node.kind in ("model", "seed") and node.status == "success":
        if node.rows is not None:
            metadata["dagster/row_count"] = node.rows
        key = NAMES.get_asset_spec(MANIFEST, node.unique_id, None).key
        yield dg.MaterializeResult(asset_key=key, metadata=metadata)
    elif node.kind == "test" and node.status != "skipped":
        check = get_asset_check_key_for_test(MANIFEST, NAMES, node.unique_id, None)
        if check:
            severity = dg.AssetCheckSeverity
            yield dg.AssetCheckResult(
                asset_key=check.asset_key,
                check_name=check.name,
                passed=node.status == "pass",
                severity=severity.ERROR if node.is_broken else severity.WARN,
                metadata={**metadata, "lignes en défaut": node.failures or 0},
            )


# ---- publication and site -------------------------------------------------------------------

marts = [key for key in built.keys if key.path[0] == "marts"]
published = dg.AssetKey(["published", "cyberimpact"])


@dg.multi_asset(
    name="publication",
    specs=[
        dg.AssetSpec(
            published,
            deps=marts,
            group_name="publication",
            kinds={"duckdb", "parquet"},
            description="Les tables marts, telles que les analystes et le site les lisent.",
        ),
        *(
            dg.AssetSpec(
                ["marts", mart],
                deps=[published],
                group_name="publication",
                kinds={"duckdb", "parquet"},
                description=described,
            )
            for mart, (described, _) in publication.OF_ITSELF.items()
        ),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "published_equals_warehouse",
            asset=published,
            description="Chaque table publiée a les lignes de l'entrepôt, en DuckDB et en Parquet.",
        )
    ],
    pool=WRITER,
    required_resource_keys={"living_run"},
)
def publication_asset(context: dg.AssetExecutionContext) -> Events:
    made_from = marks.made_from("warehouse")
    targets = stores.published(), stores.published_parquet()
    products = *targets, stores.published_csv()
    rows: dict[str, int] | None = marks.get("publication", made_from, *products)
    is_unchanged = rows is not None
    if rows is None:
        marks.forget("publication")
        with told_plainly(context), registre.WRITER:  # not while the worker does either
            rows = publication.publish(
                stores.warehouse(),
                *targets,
                warehouse.descriptions(MANIFEST),
                warehouse.marts_without_source(MANIFEST),
                warehouse.verdicts(MANIFEST),
            )
        marks.put("publication", made_from, rows, *products)
    yield dg.MaterializeResult(
        asset_key=published,
        metadata={
            "tables": len(rows),
            "dagster/row_count": sum(rows.values()),
            "octets": stores.published().stat().st_size,
            "inchangé": is_unchanged,
            "lignes par table": dg.MetadataValue.json(rows),
        },
    )
    for mart in publication.OF_ITSELF:
        yield dg.MaterializeResult(asset_key=["marts", mart], metadata={"inchangé": is_unchanged})
    yield dg.AssetCheckResult(asset_key=published, passed=True, metadata={"tables": len(rows)})
    context.log.info(
        ("inchangé · " if is_unchanged else "")
        + f"{len(rows)} tables, {_spaced(sum(rows.values()))} lignes"
    )


pages = page_marts()


def page_key(page: str) -> dg.AssetKey:
    """Return the key of a page; Dagster's names hold no brackets, as `departements/[code]` does."""
    return dg.AssetKey(["reports", *page.translate(str.maketrans("", "", "[]")).split("/")])


@dg.multi_asset(
    name="site",
    specs=[
        dg.AssetSpec(
            page_key(page),
            deps=[published, *[["marts", mart] for mart in sorted(read)]],
            group_name="reports",
            kinds={"evidence"},
        )
        for page, read in pages.items()
    ],
    pool=SITE_BUILDER,
    required_resource_keys={"living_run"},
)
def site(context: dg.AssetExecutionContext) -> Events:
    with told_plainly(context):
        content = publication.content(stores.published())
    made_from = marks.fingerprint(
        sorted(content.items()),
        marks.files(REPORTS, leave_out=("node_modules", ".evidence", "build")),
    )
    is_unchanged = marks.get("site", made_from, stores.site() / "index.html") is not None
    if not is_unchanged:
        marks.forget("site")
        with told_plainly(context):
            build_site(
                stores.published(), stores.site(), stores.data() / "reports", context.log.info
            )
        marks.put("site", made_from, "", stores.site() / "index.html")
    for page, read in pages.items():
        # Dagster then shows which pages say something else than yesterday.
        version = marks.fingerprint(
            (REPORTS / "pages" / f"{page}.md").read_text("utf-8"),
            [content.get(mart) for mart in sorted(read)],
        )
        yield dg.MaterializeResult(
            asset_key=page_key(page),
            metadata={"inchangé": is_unchanged},
            data_version=dg.DataVersion(version),
        )
    context.log.info(("inchangé · " if is_unchanged else "") + f"{len(pages)} pages")


alerts_sent = dg.AssetKey(["alertes", "envois"])


@dg.multi_asset(
    name="alertes",
    specs=[
        dg.AssetSpec(
            alerts_sent,
            deps=[published],
            group_name="alertes",
            kinds={"sqlite"},
            description="Ce qui a été dit des signaux, à quel abonnement, quand, par quel canal.",
            skippable=True,
        )
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "alert_channels_are_up",
            asset=alerts_sent,
            description="Chaque canal a pris ce qui lui était dû.",
        ),
        dg.AssetCheckSpec(
            "subscriptions_are_right",
            asset=alerts_sent,
            description="Le fichier des abonnements est sans faute.",
        ),
    ],
    pool=ALERTS_SENDER,
    required_resource_keys={"living_run"},
)
def alerts_asset(context: dg.AssetExecutionContext) -> Events:
    try:
        outcome = alerts.send()
    except Exception as error:
        if _was_interrupted(error):
            raise
        # What is published is published, whatever becomes of its alerts.
        outcome = alerts.Outcome(failed=[" ".join(explain(f"{type(error).__name__} : {error}"))])
    else:
        yield dg.MaterializeResult(
            asset_key=alerts_sent,
            metadata={
                "abonnements": outcome.subscriptions,
                "messages envoyés": outcome.sent,
                "événements envoyés": outcome.told,
                "événements en attente": outcome.deferred,
                "canaux en panne": len(outcome.failed),
            },
        )
    for name, wrong in (
        ("alert_channels_are_up", outcome.failed),
        ("subscriptions_are_right", [str(fault) for fault in outcome.faults]),
    ):
        yield dg.AssetCheckResult(
            asset_key=alerts_sent,
            check_name=name,
            passed=not wrong,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"en défaut": len(wrong), "détail": "\n".join(wrong)},
        )
    context.log.info(str(outcome))


# What is made from the raw store.
MADE = ("warehouse", "publication", "site")

# The steps of a whole refresh, in order, as people name them.
STEPS = {
    **{name: source.label for name, source in CATALOG.items()},
    "warehouse": "Entrepôt : modèles et contrôles",
    "publication": "Publication",
    "alertes": "Alertes aux abonnés",
    "site": "Site",
}
