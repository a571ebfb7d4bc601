"""Hide the small counts of persons, and hold back what would tell who came since."""

import duckdb

from dbt_project.udfs import tableaux
from dlt_pipelines import stores


def model(dbt, session):
    """Return one row per count that is not published as it is."""
    dbt.config(materialized="table")
    relations = {
        "int_contacts__horaires": dbt.ref("int_contacts__horaires"),
        "int_contacts__mensuels": dbt.ref("int_contacts__mensuels"),
        "int_contacts__quotidiens": dbt.ref("int_contacts__quotidiens"),
        "int_pre_plaintes__mensuelles": dbt.ref("int_pre_plaintes__mensuelles"),
        "int_satisfaction__trimestrielle": dbt.ref("int_satisfaction__trimestrielle"),
        "int_signalements__ages": dbt.ref("int_signalements__ages"),
        "int_signalements__mensuels": dbt.ref("int_signalements__mensuels"),
        "int_signalements__quotidiens": dbt.ref("int_signalements__quotidiens"),
        "int_signalements__services": dbt.ref("int_signalements__services"),
        "int_signalements__totaux": dbt.ref("int_signalements__totaux"),
    }
    declared = tableaux.declared(dbt.ref("ref_tableaux").to_arrow_table().to_pylist())
    seuils = dbt.ref("taxo_seuils").filter("seuil = 'petites_cellules'")
    (threshold,) = seuils.project("valeur").fetchone()
    differ = {tableau.tableau for tableau in declared} ^ relations.keys()
    if differ:
        raise ValueError(f"ref_tableaux et int_cellules__retenues diffèrent : {sorted(differ)}")
    exacts = [
        tableaux.Counts.read(
            tableau,
            relations[tableau.tableau]
            .query("exact", tableau.query("exact", is_exact=True))
            .to_arrow_table(),
        )
        for tableau in declared
    ]
    yesterday = [seen(tableau, stores.published()) for tableau in declared]
    return tableaux.retained(declared, exacts, yesterday, threshold)


def seen(tableau, published):
    """Return what the readers of the previous publication see, if they see this table."""
    try:
        with duckdb.connect(str(published), read_only=True) as connection:
            query = tableau.query(f"marts.{tableau.mart}", is_exact=False)
            return tableaux.Counts.read(tableau, connection.execute(query).to_arrow_table())
    except (duckdb.IOException, duckdb.CatalogException, duckdb.BinderException):
        return None  # none yet, or of another shape
