"""Read the tone, the needs and the themes of every message."""

from dbt_project.udfs import messages, pages


def model(dbt, session):
    """Return one row per message, analysis and label, made a batch of messages at a time."""
    dbt.config(materialized="table")

    def rows(seed):
        return seed.to_arrow_table().to_pylist()

    lexicons = {
        "besoins": messages.Lexicon(rows(dbt.ref("lexique_besoins"))),
        "themes": messages.Lexicon(rows(dbt.ref("lexique_themes"))),
        "tonalite": messages.Lexicon(rows(dbt.ref("lexique_tonalite"))),
    }
    parents = {
        "besoins": {
            row["besoin_code"]: row["besoin_parent_code"] for row in rows(dbt.ref("taxo_besoins"))
        },
        "themes": {
            row["theme_code"]: row["theme_parent_code"] for row in rows(dbt.ref("taxo_themes"))
        },
    }
    thresholds = {
        row["methode_id"].removeprefix("lexique_"): row["valeur"]
        for row in rows(dbt.ref("ref_methodes"))
        if row["methode_id"].startswith("lexique_") and row["parametre"] == "seuil"
    }
    learned = [row["modele"] for row in rows(dbt.ref("int_messages__modeles")) if row["modele"]]
    reader = messages.Reader(
        lexicons,
        parents,
        thresholds,
        messages.Model.from_bytes(learned[0], messages.TONES, lexicons["tonalite"])
        if learned
        else None,
    )

    def read(page):
        return reader.analyse(page["message_id"], page["texte"])

    texts = dbt.ref("int_messages__unioned").filter("texte is not null")
    return pages.read(texts, ["message_id", "texte"], read, messages.ANALYSES)
