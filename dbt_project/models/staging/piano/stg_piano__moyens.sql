with source as (
    select * from {{ source('piano', 'means') }}
)

select
    -- ids
    site_id,
    site_level2 as site_label,
    -- moyens
    nullif(src, 'N/A') as provenance,
    nullif(device_type, 'N/A') as appareil,
    -- dates
    cast(month || '-01' as date) as mois,
    -- mesures
    m_visits as visites_count,
    -- provenance
    _origine as origine
from source
