with source as (
    select * from {{ source('mastodon', 'accounts') }}
)

select
    -- ids
    acct as compte_id,
    acct as identifiant,
    display_name as compte_label,
    departement_code,
    -- dates
    observed_on as jour,
    {{ utc('observed_at') }} as observed_at,
    -- mesures
    followers_count as abonnes_count,
    following_count as abonnements_count,
    statuses_count as publications_count,
    -- provenance
    _origine as origine
from source
