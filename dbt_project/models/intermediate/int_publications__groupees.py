"""Group the posts that tell the same story."""

from dbt_project.udfs import stories

COLUMNS = """
    plateforme || ':' || publication_id as publication_id,
    min(publie_at) as publie_at,
    min(texte) as texte
"""


def model(dbt, session):
    """Return one row per post that says something, with its story."""
    dbt.config(materialized="table")
    posts = (
        dbt.ref("int_publications__unioned")
        .filter("texte is not null")
        .aggregate(COLUMNS, "plateforme, publication_id")
        .to_arrow_table()
    )
    methods = dbt.ref("ref_methodes").to_arrow_table().to_pylist()
    found = stories.group(posts, "fr", stories.settings_from(methods)).posts
    return session.from_arrow(found).query(
        "groupees",
        """
        select
            split_part(publication_id, ':', 1) as plateforme,
            substr(publication_id, strpos(publication_id, ':') + 1) as publication_id,
            * exclude (publication_id)
        from groupees
        where histoire_id is not null
        order by 1, 2
        """,
    )
