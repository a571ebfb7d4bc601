with source as (
    select * from {{ source('piano', 'geo') }}
)

select
    -- ids
    site_id,
    site_level2 as site_label,
    -- lieu
    nullif(geo_country, 'N/A') as pays,
    nullif(geo_region, 'N/A') as region,
    nullif(geo_city, 'N/A') as ville,
    -- dates
    cast(month || '-01' as date) as mois,
    -- mesures
    m_visits as visites_count,
    -- provenance
    _origine as origine
from source
