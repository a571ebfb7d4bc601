with source as (
    select * from {{ source('piano', 'pages') }}
)

select
    -- ids
    site_id,
    site_level2 as site_label,
    page_full_name as page,
    -- dates
    date as jour,
    -- mesures
    m_page_loads as pages_vues_count,
    -- provenance
    _origine as origine
from source
