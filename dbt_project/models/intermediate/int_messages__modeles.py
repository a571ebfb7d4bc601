"""Train the model of tone on what people said themselves, if it beats the lexicon."""

import pyarrow as pa

from dbt_project.udfs import messages

ROWS = 20_000


def model(dbt, session):
    """Return one row per method tried, with its score on rows held out and what it learned."""
    dbt.config(materialized="table")
    threshold = {
        (row["methode_id"], row["parametre"]): row["valeur"]
        for row in dbt.ref("ref_methodes").to_arrow_table().to_pylist()
    }
    enough = int(threshold["lineaire_tonalite", "lignes_min"])
    labelled = (
        dbt.ref("int_messages__unioned")
        .filter("ressenti is not null and texte is not null")
        .select("texte, ressenti, origine")
    )
    # Invented messages teach only where real ones are too few to.
    real = labelled.filter("origine = 'reel'")
    if len(real) >= enough:
        labelled = real
    at_most = int(threshold["lineaire_tonalite", "lignes_max"])
    drawn = messages.drawn(labelled.to_arrow_reader(ROWS), at_most)
    lexicon = messages.Lexicon(dbt.ref("lexique_tonalite").to_arrow_table().to_pylist())
    trials, learned = messages.learn_tone(
        drawn["texte"].to_pylist(),
        drawn["ressenti"].to_pylist(),
        lexicon,
        threshold["lexique_tonalite", "seuil"],
        at_least=enough,
        at_most=at_most,
    )
    return pa.table(
        {
            "axe": ["tonalite"] * len(trials),
            "methode": [trial.method for trial in trials],
            "methode_version": [
                messages.VERSION if trial.method == "lineaire" else lexicon.version
                for trial in trials
            ],
            "f_mesure": pa.array([trial.score for trial in trials], pa.float64()),
            "lignes_count": pa.array([trial.rows for trial in trials], pa.int64()),
            "is_retenue": [trial.is_kept for trial in trials],
            "modele": pa.array(
                [learned.to_bytes() if learned and trial.is_kept else None for trial in trials],
                pa.binary(),
            ),
        }
    )
