"""Describe the stories that posts tell, without judging whether they are true."""

import pyarrow as pa

from dbt_project.udfs import stories

ROWS = 20_000
COLUMNS = """
    plateforme || ':' || publication_id as publication_id,
    plateforme,
    histoire_id,
    proche_de_id,
    min(publie_at) over post as publie_at,
    texte,
    max(vues_count) over post as portee_count,
    bool_or(sujet is null) over post as est_officiel -- what our accounts publish has no subject
"""
IN_ORDER = """
    select
        posts.*,
        departement_code,
        proches.texte as proche_texte
    from posts
    left join lieux on posts.publication_id = lieux.message_id
    left join posts as proches on posts.proche_de_id = proches.publication_id
    order by posts.histoire_id
"""


def model(dbt, session):
    """Return one row per story of two posts or more."""
    dbt.config(materialized="table")
    methods = dbt.ref("ref_methodes").to_arrow_table().to_pylist()
    [sure] = (row["valeur"] for row in methods if row["parametre"] == "confiance_min")
    lexicon = dbt.ref("lexique_doute").to_arrow_table()
    settings = stories.settings_from(methods)
    vocabulary = stories.Vocabulary("fr", settings)
    received = dbt.ref("int_publications__unioned").sql_query()
    grouped = dbt.ref("int_publications__groupees").sql_query()
    joined = f"from ({received}) inner join ({grouped}) using (plateforme, publication_id)"
    session.execute(f"create or replace temp table posts as {stories.once(joined, COLUMNS)}")
    places = dbt.ref("int_lieux__cites").filter(f"confiance >= {sure}").sql_query()
    session.execute(f"create or replace temp view lieux as {places}")
    (now,) = session.execute("select epoch(max(publie_at)) from posts").fetchone()
    # Some stories at a time, whatever the number of posts. Read last: another query would end it.
    pages = session.query(IN_ORDER).to_arrow_reader(ROWS)
    return pa.RecordBatchReader.from_batches(
        stories.DESCRIPTION,
        (
            batch
            for table in stories.whole_stories(pages, ROWS)
            for batch in stories.describe(
                table, lexicon, settings, now=now, vocabulary=vocabulary
            ).to_batches()
        ),
    )
