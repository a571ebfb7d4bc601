"""When things run: every arrow is launched from here and nothing is computed here."""

import os

from dlt_pipelines import stores

# dbt, dlt, Dagster and Evidence read these when they are imported or started, so they are set
# before any of them; absolute, because each has its own idea of the current folder.
os.environ["CYBERIMPACT_DATA"] = str(stores.data())
for name, value in {
    "DAGSTER_HOME": str(stores.dagster_home()),
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
}.items():
    os.environ.setdefault(name, value)
