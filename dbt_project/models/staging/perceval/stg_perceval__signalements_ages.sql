with source as (
    select * from {{ source('perceval', 'age_categories_month') }}
)

select
    -- ids
    age_cat as tranche_age_code,
    -- dates
    cast(month || '-01' as date) as mois,
    -- mesures
    count as signalements_count,
    -- provenance
    _origine as origine
from source
