with signalements as (
    select * from {{ ref('stg_perceval__signalements_quotidiens') }}
),

montants as (
    select * from {{ ref('stg_perceval__montants_quotidiens') }}
)

select
    'perceval' as source,
    'fraude_carte_bancaire' as menace,
    coalesce(signalements.jour, montants.jour) as jour,
    coalesce(signalements.signalements_count, 0) as signalements_count,
    montants.montant_eur,
    coalesce(signalements.origine, montants.origine) as origine
from signalements
full join montants
    on signalements.jour = montants.jour
