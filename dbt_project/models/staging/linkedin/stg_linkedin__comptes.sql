with source as (
    select * from {{ source('linkedin', 'organizations') }}
)

select
    -- ids
    id as compte_id,
    vanity_name as identifiant,
    localized_name as compte_label,
    departement_code,
    -- dates
    observed_on as jour,
    {{ utc('observed_at') }} as observed_at,
    -- mesures
    followers_count as abonnes_count,
    -- provenance
    _origine as origine
from source
