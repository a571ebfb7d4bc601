with source as (
    select * from {{ source('linkedin', 'share_statistics') }}
)

select
    -- ids
    organization_id as compte_id,
    -- dates
    day as jour,
    -- mesures
    impression_count as vues_count,
    unique_impressions_count as personnes_touchees_count,
    click_count as clics_count,
    like_count as appreciations_count,
    comment_count as reponses_count,
    share_count as partages_count,
    -- provenance
    _origine as origine
from source
