with source as (
    select * from {{ source('perceval', 'nb_report_day') }}
)

select
    -- dates
    day as jour,
    -- mesures
    count as signalements_count,
    -- provenance
    _origine as origine
from source
