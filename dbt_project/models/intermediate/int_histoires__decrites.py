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
    any_value(departement_code) as departement_code,
    bool_or(sujet is null) as est_officiel -- what our accounts publish has no subject
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
        .to_arrow_table()
    )
    lexicon = dbt.ref("lexique_doute").to_arrow_table()
    return stories.describe(posts, lexicon, stories.settings_from(methods))
