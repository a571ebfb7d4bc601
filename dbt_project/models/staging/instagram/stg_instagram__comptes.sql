with source as (
    select * from {{ source('instagram', 'accounts') }}
)

select
    -- ids
    id as compte_id,
    username as identifiant,
    name as compte_label,
    departement_code,
    -- dates
    observed_on as jour,
    {{ utc('observed_at') }} as observed_at,
    -- mesures
    followers_count as abonnes_count,
    follows_count as abonnements_count,
    media_count as publications_count,
    -- provenance
    _origine as origine
from source
