with source as (
    select * from {{ source('facebook', 'page_insights') }}
)

select
    -- ids
    page_id as compte_id,
    username as identifiant,
    name as compte_label,
    departement_code,
    -- dates
    day as jour,
    -- mesures
    page_follows as abonnes_count,
    page_media_view as vues_count,
    page_total_media_view_unique as personnes_touchees_count,
    page_post_engagements as interactions_count,
    -- provenance
    _origine as origine
from source
