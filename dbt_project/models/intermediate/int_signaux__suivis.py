"""Follow signals from their opening to their end."""

from math import log10

from dbt_project.udfs import signals


def model(dbt, session):
    """Return one row per signal, with its evidence and its events as lists."""
    dbt.config(materialized="table", tags=["heure"])
    subjects = dbt.ref("taxo_sujets").fetchall()
    places = dbt.ref("stg_geographie__departements")
    campaigns = dbt.ref("int_campagnes__sujets").order("debut_le, campagne_label")
    known = signals.Knowledge(
        methods=signals.methods_from(dbt.ref("ref_methodes").to_arrow_table().to_pylist()),
        subjects={subject: signals.Subject(*told) for subject, *told in subjects},
        labels=dict(places.project("departement_code, departement_label").fetchall()),
        neighbours=signals.neighbours_of(dbt.ref("ref_departements_voisins").fetchall()),
        campaigns=[
            (subject, first, last, frozenset(codes.split(",")) - {""}, name)
            for subject, first, last, codes, name in campaigns.fetchall()
        ],
    )
    judged = dbt.ref("int_series__detections")
    series = judged.filter("forme != 'foyer'")
    least = -log10(known.methods["signaux"]["corroboration_chance"])
    detected = signals.Detected(
        judged.filter(
            f"forme in {signals.RISES} and (is_alerte or surprise >= {least})"
        ).to_arrow_table(),
        dbt.ref("int_sources__defauts").to_arrow_table(),
        signals.Overview(
            judged.max("fin_at").fetchone()[0],
            series.select(*signals.SERIES, "serie_id").distinct().order("all").to_arrow_table(),
            series.filter("departement_code is not null")
            .aggregate("source, sujet, periode_at, sum(observe_count)::bigint as observe_count_sum")
            .to_arrow_table(),
        ),
    )
    return signals.follow(detected, known)
