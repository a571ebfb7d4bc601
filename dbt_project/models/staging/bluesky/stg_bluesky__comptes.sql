with source as (
    select * from {{ source('bluesky', 'profiles') }}
)

select
    -- ids
    did as compte_id,
    handle as identifiant,
    display_name as compte_label,
    departement_code,
    -- dates
    observed_on as jour,
    {{ utc('observed_at') }} as observed_at,
    -- mesures
    followers_count as abonnes_count,
    follows_count as abonnements_count,
    posts_count as publications_count,
    -- provenance
    _origine as origine
from source
