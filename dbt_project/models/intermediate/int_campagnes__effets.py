"""Measure what each campaign changed."""

from dbt_project.udfs import campaigns, effects


def model(dbt, session):
    """Return one row per campaign, with its periods."""
    dbt.config(materialized="table")
    told = dbt.ref("int_campagnes__mesurees").to_arrow_table()
    series = dbt.ref("int_campagnes__series").to_arrow_table()
    methods = dbt.ref("ref_methodes").to_arrow_table().to_pylist()
    return campaigns.estimate(told, series, effects.rule_from(methods))
