"""Find the days on which a source stopped, was read twice, or caught up."""

from dbt_project.udfs import signals


def model(dbt, session):
    """Return one row per source, day and kind of fault."""
    dbt.config(materialized="table")
    methods = signals.methods_from(dbt.ref("ref_methodes").to_arrow_table().to_pylist())
    return signals.faults(dbt.ref("int_series__daily").to_arrow_table(), methods)
