"""When: every day, when a file arrives, and by hand."""

import json
import time

import dagster as dg

from dlt_pipelines import stores
from orchestration import alerts, marks
from orchestration.assets import alerts_asset, built, publication_asset, purges, raw, site
from orchestration.runs import close_dead_runs

# A file touched more recently may still be on its way in.
SECONDS_AT_REST = 5

refresh_all = dg.define_asset_job(
    "refresh_all", selection=dg.AssetSelection.all() - dg.AssetSelection.assets(purges)
)
purge = dg.define_asset_job("purge", selection=dg.AssetSelection.assets(purges))
rebuild = dg.define_asset_job(
    "rebuild", selection=dg.AssetSelection.assets(built, publication_asset, site)
)
land_all = dg.define_asset_job("land_all", selection=dg.AssetSelection.assets(*raw))
build_site = dg.define_asset_job("build_site", selection=dg.AssetSelection.assets(site))
send_alerts = dg.define_asset_job("send_alerts", selection=dg.AssetSelection.assets(alerts_asset))

# Just before the refresh, which makes again what the purge emptied.
daily_purge = dg.ScheduleDefinition(
    name="daily_purge",
    job=purge,
    cron_schedule="0 5 * * *",
    execution_timezone="Europe/Paris",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
daily_refresh_all = dg.ScheduleDefinition(
    name="daily_refresh_all",
    job=refresh_all,
    cron_schedule="30 5 * * *",
    execution_timezone="Europe/Paris",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.sensor(
    job=refresh_all, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING
)
def depot_has_new_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for one refresh when files at rest in the depot are not those seen last time."""
    seen = {tuple(file) for file in json.loads(context.cursor or "[]")}
    found = set()
    for path in stores.depot().glob("*/*"):
        try:
            stat = path.stat()
        except FileNotFoundError:  # taken away since the listing
            continue
        at_rest = time.time() - stat.st_mtime >= SECONDS_AT_REST
        if path.is_file() and not path.name.startswith(".") and at_rest:
            found.add((str(path.relative_to(stores.depot())), stat.st_size, stat.st_mtime_ns))
    cursor = json.dumps(sorted(found))
    if not found - seen:
        return dg.SensorResult(skip_reason="Aucun nouveau fichier dans le dépôt.", cursor=cursor)
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=marks.fingerprint(cursor))], cursor=cursor
    )


@dg.sensor(
    job=send_alerts, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.RUNNING
)
def alerts_are_due() -> dg.RunRequest | dg.SkipReason:
    """Ask for the alerts whose hour has come since the publication: silence, digest, new try."""
    return dg.RunRequest() if alerts.is_due() else dg.SkipReason("Aucune alerte n'est due.")


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def dead_runs_are_closed(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Free what a killed run held, so that queued runs start; a living run does it too."""
    closed = close_dead_runs(context.instance)
    return dg.SkipReason(f"Runs fermés : {', '.join(closed) or 'aucun'}.")
