"""Describe the stories that posts tell, without judging whether they are true."""

import pyarrow as pa

from dbt_project.udfs import stories

ROWS = 20_000
COLUMNS = """
    recues.plateforme || ':' || recues.publication_id as publication_id,
    any_value(recues.plateforme) as plateforme,
    any_value(histoire_id) as histoire_id,
    any_value(proche_de_id) as proche_de_id,
    min(publie_at) as publie_at,
    min(texte) as texte,
    max(vues_count) as portee_count,
    any_value(departement_code) as departement_code,
    bool_or(sujet is null) as est_officiel -- what our accounts publish has no subject
"""
IN_ORDER = """
    select
        posts.*,
        proches.texte as proche_texte
    from posts
    left join posts as proches on posts.proche_de_id = proches.publication_id
    order by posts.histoire_id
"""


def model(dbt, session):
    """Return one row per story of two posts or more."""
    dbt.config(materialized="table")
    methods = dbt.ref("ref_methodes").to_arrow_table().to_pylist()
    [sure] = (row["valeur"] for row in methods if row["parametre"] == "confiance_min")
    posts = (
        dbt.ref("int_publications__unioned")
        .set_alias("recues")
        .join(
            dbt.ref("int_publications__groupees").set_alias("groupees"),
            "recues.plateforme = groupees.plateforme"
            " and recues.publication_id = groupees.publication_id",
        )
        .join(
            dbt.ref("int_lieux__cites").filter(f"confiance >= {sure}").set_alias("lieux"),
            "recues.plateforme || ':' || recues.publication_id = lieux.message_id",
            "left",
        )
        .aggregate(COLUMNS, "recues.plateforme, recues.publication_id")
    )
    lexicon = dbt.ref("lexique_doute").to_arrow_table()
    settings = stories.settings_from(methods)
    vocabulary = stories.Vocabulary("fr", settings)
    session.execute(f"create temp table posts as {posts.sql_query()}")
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
