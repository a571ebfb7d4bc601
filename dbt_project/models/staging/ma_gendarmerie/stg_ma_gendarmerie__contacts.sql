with source as (
    select * from {{ source('ma_gendarmerie', 'contacts') }}
)

select
    -- ids
    reference as contact_id,
    -- dates
    {{ utc('date') }} as contact_at,
    -- motif
    motif_parent,
    motif,
    -- provenance
    _origine as origine
from source
