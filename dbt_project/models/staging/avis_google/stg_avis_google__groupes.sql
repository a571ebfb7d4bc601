with source as (
    select * from {{ source('avis_google', 'groups') }}
)

select
    -- ids
    id as groupe_id,
    name as groupe_label,
    -- provenance
    _origine as origine
from source
