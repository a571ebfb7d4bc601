with source as (
    select * from {{ source('piano', 'visits') }}
)

select
    -- ids
    site_id,
    site_level2 as site_label,
    -- dates
    date as jour,
    try_cast(nullif(visit_hour, 'N/A') as integer) as heure,
    visit_hour as heure_recue,
    -- mesures
    m_visits as visites_count,
    -- provenance
    _origine as origine
from source
