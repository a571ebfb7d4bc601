"""Look for the places that texts name, where nothing surer says where a message is from."""

import pyarrow as pa

from dbt_project.udfs import places

ROWS = 20_000
FOUND = pa.schema([("message_id", pa.string()), *places.FOUND, ("methode_version", pa.int32())])


def model(dbt, session):
    """Return one row per text that names a place, with the département that it settles on."""
    dbt.config(materialized="table")

    def rows(table):
        return table.to_arrow_table().to_pylist()

    postcodes = rows(dbt.ref("int_communes__codes_postaux"))
    gazetteer = places.Gazetteer(
        rows(dbt.ref("stg_geographie__communes")),
        rows(dbt.ref("stg_geographie__departements")),
        rows(dbt.ref("stg_geographie__regions")),
        {row["code_postal"]: row["departement_code"] for row in postcodes},
    )

    def read(page):
        found = gazetteer.find(page["texte"])
        version = pa.array([places.VERSION] * len(page), pa.int32())
        table = pa.table([page["message_id"], *found.columns, version], schema=FOUND)
        return table.filter(table["departement_code"].is_valid()).to_batches()

    texts = dbt.ref("int_textes__recus").select("message_id, texte").to_arrow_reader(ROWS)
    return pa.RecordBatchReader.from_batches(
        FOUND, (batch for page in texts for batch in read(page))
    )
