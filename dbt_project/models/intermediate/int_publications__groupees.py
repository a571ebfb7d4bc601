"""Group the posts that tell the same story."""

import pyarrow as pa

from dbt_project.udfs import stories

ROWS = 20_000
NAMES = pa.schema([("premier", pa.string()), ("dernier", pa.string())])
COLUMNS = """
    plateforme || ':' || publication_id as publication_id,
    min(publie_at) over post as publie_at,
    texte
"""
# A story is known by its last name once every post has arrived.
NAMED = """
    select
        split_part(publication_id, ':', 1) as plateforme,
        substr(publication_id, strpos(publication_id, ':') + 1) as publication_id,
        coalesce(noms.dernier, histoire_initiale_id) as histoire_id,
        * exclude (publication_id, premier, dernier)
    from arrivees
    left join noms on histoire_initiale_id = noms.premier
    where histoire_initiale_id is not null
    order by 1, 2
"""


def model(dbt, session):
    """Return one row per post that says something, with its story."""
    dbt.config(materialized="table")
    methods = dbt.ref("ref_methodes").to_arrow_table().to_pylist()
    stream = stories.Stream("fr", stories.settings_from(methods))
    received = dbt.ref("int_publications__unioned").filter("texte is not null").sql_query()
    in_order = stories.once(received, COLUMNS) + "order by publie_at, publication_id"
    posts = session.query(in_order).to_arrow_reader(ROWS)

    def arrivals():
        for page in posts:
            yield from stories.arrivals(stream, page).to_batches()
            stream.alerts.clear()

    # Posts are read from one cursor while what is answered to them is written through another.
    written = session.cursor()
    answers = pa.RecordBatchReader.from_batches(stories.ARRIVALS, arrivals())
    written.register("answers", answers)
    written.execute("create temp table arrivees as from answers")
    names = stream.names()
    written.register("noms", pa.table({"premier": [*names], "dernier": [*names.values()]}, NAMES))
    return written.query(NAMED).to_arrow_reader(ROWS)
