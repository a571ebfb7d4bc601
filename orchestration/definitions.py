"""Everything Dagster shows and runs: `workspace.yaml` opens this module."""

import dagster as dg

from dlt_pipelines import stores
from orchestration.assets import (
    alerts_asset,
    built,
    landings,
    ledger,
    outside,
    publication_asset,
    purges,
    raw,
    site,
)
from orchestration.runs import living_run
from orchestration.schedules import (
    alerts_are_due,
    build_site,
    daily_purge,
    daily_refresh_all,
    dead_runs_are_closed,
    depot_has_new_files,
    land_all,
    purge,
    rebuild,
    refresh_all,
    send_alerts,
)

stores.secure()

defs = dg.Definitions(
    assets=[*outside, *raw, *ledger, purges, built, publication_asset, alerts_asset, site],
    jobs=[refresh_all, land_all, rebuild, build_site, send_alerts, purge],
    schedules=[daily_purge, daily_refresh_all],
    sensors=[depot_has_new_files, alerts_are_due, dead_runs_are_closed],
    resources={"living_run": living_run, "landings": landings},
    # One process: a process per step took 4 to 5 times as long.
    executor=dg.in_process_executor,
)
