"""Judge every series, day by day; what was judged for good is not judged again."""

import numpy as np

from dbt_project.udfs import progress, signals, space


def model(dbt, session):
    """Return one row per series, or cluster of départements, and day that could be judged."""
    dbt.config(materialized="incremental", incremental_strategy="append")
    centres = dbt.ref("ref_departements_centres").order("departement_code").fetchall()
    codes, longitudes, latitudes, populations = zip(*centres, strict=True)
    zones = space.zones(
        codes, dbt.ref("ref_departements_voisins").fetchall(), longitudes, latitudes, populations
    )
    methods = signals.methods_from(dbt.ref("ref_methodes").to_arrow_table().to_pylist())
    daily = dbt.ref("int_series__daily")
    return signals.judge_days(
        daily.to_arrow_table(),
        dbt.ref("int_sources__defauts").to_arrow_table(),
        methods,
        zones,
        np.array(dbt.ref("ref_scan_niveaux").fetchall(), float),
        progress.reopen(dbt, session, daily, int(methods["series"]["reouverture_jours"])),
    )
