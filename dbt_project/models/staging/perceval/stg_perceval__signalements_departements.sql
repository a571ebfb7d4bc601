with source as (
    select * from {{ source('perceval', 'dpt_report_month') }}
)

select
    -- ids
    dpt_code as departement_code,
    -- dates
    cast(month || '-01' as date) as mois,
    -- mesures
    count as signalements_count,
    -- provenance
    _origine as origine
from source
