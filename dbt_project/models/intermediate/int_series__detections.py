"""Judge every series, day by day and hour by hour; what was judged for good is not judged again."""

import numpy as np

from dbt_project.udfs import signals, space


def model(dbt, session):
    """Return one row per series and period that could be judged."""
    dbt.config(materialized="incremental", incremental_strategy="append")
    centres = dbt.ref("ref_departements_centres").order("departement_code").fetchall()
    codes, longitudes, latitudes, populations = zip(*centres, strict=True)
    zones = space.zones(
        codes, dbt.ref("ref_departements_voisins").fetchall(), longitudes, latitudes, populations
    )
    methods = signals.methods_from(dbt.ref("ref_methodes").to_arrow_table().to_pylist())
    daily, hourly = dbt.ref("int_series__daily"), dbt.ref("int_series__hourly")
    sources = daily.project("source, origine").union(hourly.project("source, origine")).distinct()
    closed = {}
    if dbt.is_incremental:
        days = int(methods["series"]["reouverture_jours"])
        closed = reopen(session, str(dbt.this), sources.fetchall(), days)
    return signals.detect(
        daily.to_arrow_table(),
        hourly.to_arrow_table(),
        methods,
        zones,
        np.array(dbt.ref("ref_scan_niveaux").fetchall(), float),
        closed,
    ).periods


def reopen(session, this, sources, days):
    """Take away the last `days` judged, and what has another origin; return what stays closed."""
    session.execute(f"create or replace temp view judged as from {this}")
    held = session.execute("select distinct source, origine from judged").fetchall()
    for source, origin in set(held) - set(sources):
        session.execute(
            f"delete from {this} where source = ? and origine = ?",  # noqa: S608
            [source, origin],
        )
    last = session.execute(
        "select source, grain, max(periode_at) - to_days(?) from judged group by all", [days]
    ).fetchall()
    for source, grain, reopened in last:
        session.execute(
            f"delete from {this} where source = ? and grain = ? and periode_at > ?",  # noqa: S608
            [source, grain, reopened],
        )
    return {(source, grain): reopened for source, grain, reopened in last}
