"""When things run: every arrow is launched from here and nothing is computed here."""

import os
import warnings

from dlt_pipelines import stores

# dbt, Dagster and Evidence read these when they are imported or started, so they are set before any
# of them; the folders absolute, because each has its own idea of the current one.
os.environ["CYBERIMPACT_DATA"] = str(stores.data())
os.environ["DAGSTER_HOME"] = str(stores.dagster_home())
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "yes"
os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
if stores.key():
    os.environ["DBT_ENV_SECRET_STORE_KEY"] = stores.key()
os.umask(0o077)  # what is written is for the one who writes it
# The journal of runs is declared in dagster.yaml, by a setting that Dagster calls a beta.
warnings.filterwarnings("ignore", message="Handling yaml-defined logging")
