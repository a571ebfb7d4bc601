"""Judge every series, day by day and hour by hour; source faults alarm apart."""

import numpy as np

from dbt_project.udfs import signals, space


def model(dbt, session):
    """Return one row per series and period that could be judged."""
    dbt.config(materialized="table")
    centres = dbt.ref("ref_departements_centres").order("departement_code").fetchall()
    codes, longitudes, latitudes, populations = zip(*centres, strict=True)
    zones = space.zones(
        codes, dbt.ref("ref_departements_voisins").fetchall(), longitudes, latitudes, populations
    )
    return signals.detect(
        dbt.ref("int_series__daily").to_arrow_table(),
        dbt.ref("int_series__hourly").to_arrow_table(),
        signals.methods_from(dbt.ref("ref_methodes").to_arrow_table().to_pylist()),
        zones,
        np.array(dbt.ref("ref_scan_niveaux").fetchall(), float),
    ).periods
