with source as (
    select * from {{ source('youtube', 'channels') }}
)

select
    -- ids
    id as compte_id,
    coalesce(trim(leading '@' from custom_url), title) as identifiant,
    title as compte_label,
    departement_code,
    -- dates
    observed_on as jour,
    {{ utc('observed_at') }} as observed_at,
    -- mesures
    subscriber_count as abonnes_count,
    video_count as publications_count,
    view_count as vues_count,
    -- provenance
    _origine as origine
from source
