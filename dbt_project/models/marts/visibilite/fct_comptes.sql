with comptes as (
    select * from {{ ref('int_comptes__snapshots') }}
)

select
    plateforme,
    compte_id,
    identifiant,
    jour,
    departement_code,
    abonnes_count,
    publications_count,
    abonnes_count - lag(abonnes_count) over (
        partition by plateforme, compte_id
        order by jour
    ) as abonnes_delta_count,
    origine
from comptes
