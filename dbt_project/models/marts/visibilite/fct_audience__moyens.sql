with moyens as (
    select * from {{ ref('stg_piano__moyens') }}
)

select
    'piano' as source,
    site_id || '/' || site_label as site_id,
    site_label,
    mois,
    provenance,
    appareil,
    visites_count,
    origine
from moyens
