with source as (
    select * from {{ source('x', 'users') }}
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
    following_count as abonnements_count,
    post_count as publications_count,
    listed_count as listes_count,
    -- provenance
    _origine as origine
from source
