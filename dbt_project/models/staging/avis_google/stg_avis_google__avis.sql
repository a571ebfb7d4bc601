with source as (
    select * from {{ source('avis_google', 'reviews') }}
)

select
    -- ids
    id as avis_id,
    business_id as unite_id,
    -- dates
    {{ utc('date') }} as publie_at,
    {{ utc('update_date') }} as modifie_at,
    {{ utc('reply_date') }} as premiere_reponse_at,
    {{ utc('delete_date') }} as retire_at,
    -- message
    content as texte,
    state as etat,
    -- mesures
    rating as note,
    -- provenance
    _origine as origine
from source
