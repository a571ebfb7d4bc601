"""Describe the stories that posts tell, without judging whether they are true."""

from dbt_project.udfs import stories

COLUMNS = """
    recues.plateforme || ':' || recues.publication_id as publication_id,
    any_value(recues.plateforme) as plateforme,
    any_value(histoire_id) as histoire_id,
    any_value(proche_de_id) as proche_de_id,
    min(publie_at) as publie_at,
    min(texte) as texte,
    max(vues_count) as portee_count,
    bool_or(sujet is null) as est_officiel -- what our accounts publish has no subject
"""


def model(dbt, session):
    """Return one row per story of two posts or more."""
    dbt.config(materialized="table")
    posts = (
        dbt.ref("int_publications__unioned")
        .set_alias("recues")
        .join(
            dbt.ref("int_publications__groupees").set_alias("groupees"),
            "recues.plateforme = groupees.plateforme"
            " and recues.publication_id = groupees.publication_id",
        )
        .aggregate(COLUMNS, "recues.plateforme, recues.publication_id")
        .to_arrow_table()
    )
    methods = dbt.ref("ref_methodes").to_arrow_table().to_pylist()
    lexicon = dbt.ref("lexique_doute").to_arrow_table()
    return stories.describe(posts, lexicon, stories.settings_from(methods))
