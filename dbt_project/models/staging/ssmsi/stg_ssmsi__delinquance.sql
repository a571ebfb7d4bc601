with source as (
    select * from {{ source('ssmsi', 'delinquance_departements') }}
)

select
    -- ids
    code_departement as departement_code,
    indicateur,
    unite_de_compte,
    -- dates
    cast(annee as integer) as annee,
    -- mesures
    nombre as faits_count,
    taux_pour_mille,
    insee_pop as population_count,
    insee_log as logements_count,
    -- provenance
    _origine as origine
from source
