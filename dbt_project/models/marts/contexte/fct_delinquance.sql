with delinquance as (
    select * from {{ ref('stg_ssmsi__delinquance') }}
)

select
    departement_code,
    annee,
    indicateur,
    unite_de_compte,
    faits_count,
    taux_pour_mille,
    population_count,
    origine
from delinquance
