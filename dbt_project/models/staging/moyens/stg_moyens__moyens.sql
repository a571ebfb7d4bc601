with source as (
    select * from {{ source('moyens', 'moyens') }}
)

select
    -- ids
    nullif(departement, '00') as departement_code,
    case length(periode) when 4 then 'annee' else 'mois' end as grain,
    -- dates
    cast(periode || case length(periode) when 4 then '-01-01' else '-01' end as date) as debut_le,
    -- mesures
    effectif as effectif_count,
    unites as unites_count,
    budget_eur,
    -- provenance
    _origine as origine
from source
