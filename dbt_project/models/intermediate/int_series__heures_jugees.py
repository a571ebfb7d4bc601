"""Judge every series, hour by hour; what was judged for good is not judged again."""

from dbt_project.udfs import progress, signals


def model(dbt, session):
    """Return one row per series and hour that could be judged."""
    dbt.config(materialized="incremental", incremental_strategy="append", tags=["heure"])
    methods = signals.methods_from(dbt.ref("ref_methodes").to_arrow_table().to_pylist())
    hourly = dbt.ref("int_series__hourly")
    return signals.judge_hours(
        hourly.to_arrow_table(),
        dbt.ref("int_sources__defauts").to_arrow_table(),
        methods,
        progress.reopen(dbt, session, hourly, int(methods["series"]["reouverture_jours"])),
    )
