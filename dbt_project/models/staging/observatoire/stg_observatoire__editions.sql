with source as (
    select * from {{ source('observatoire', 'editions') }}
)

select
    -- ids
    id as edition_id,
    name as edition_label,
    -- dates
    cast({{ utc('start_date') }} as date) as debut_le,
    cast({{ utc('end_date') }} as date) as fin_le,
    {{ utc('created_at') }} as publie_at,
    -- provenance
    _origine as origine
from source
