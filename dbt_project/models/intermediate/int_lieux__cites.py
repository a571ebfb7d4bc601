"""Look for the places that texts name, where nothing surer says where a message is from."""

import pyarrow as pa

from dbt_project.udfs import pages, places, progress

FOUND = pa.schema(
    [
        ("message_id", pa.string()),
        *places.FOUND,
        ("methode_version", pa.int32()),
        *progress.KEPT,
    ]
)


def model(dbt, session):
    """Return one row per text that names a place, with the département that it settles on."""
    dbt.config(materialized="incremental", incremental_strategy="append", tags=["minute"])
    communes, departements, regions, postcodes = tables = [
        dbt.ref("stg_geographie__communes").to_arrow_table(),
        dbt.ref("stg_geographie__departements").to_arrow_table(),
        dbt.ref("stg_geographie__regions").to_arrow_table(),
        dbt.ref("int_communes__codes_postaux").to_arrow_table(),
    ]
    method = progress.mark(places, *tables)
    gazetteer = progress.made_once(
        places.Gazetteer,
        method,
        lambda: places.Gazetteer(
            communes.to_pylist(),
            departements.to_pylist(),
            regions.to_pylist(),
            {row["code_postal"]: row["departement_code"] for row in postcodes.to_pylist()},
        ),
    )

    def read(page):
        found = gazetteer.find(page["texte"])
        table = pa.table(
            [
                page["message_id"],
                *found.columns,
                pa.array([places.VERSION] * len(page), pa.int32()),
                page["source"],
                pa.array([method] * len(page), pa.string()),
                page["chargement_id"],
            ],
            schema=FOUND,
        )
        return table.filter(table["departement_code"].is_valid())

    # What was read in a text stays when it leaves, as long as its message is received (ADR 19).
    texts = progress.unread(dbt, session, dbt.ref("int_textes__recus"), method)
    return pages.read(texts, ["source", "message_id", "texte", "chargement_id"], read, FOUND)
