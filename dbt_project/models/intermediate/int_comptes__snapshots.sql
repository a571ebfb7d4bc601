with comptes as (
    select * from {{ ref('stg_x__comptes') }}
)

select
    'x' as plateforme,
    compte_id,
    identifiant,
    jour,
    observed_at,
    departement_code,
    abonnes_count,
    publications_count,
    origine
from comptes
