with source as (
    select * from {{ source('avis_google', 'businesses') }}
)

select
    -- ids
    id as unite_id,
    code as unite_code,
    group_id as groupe_id,
    -- unité
    name as unite_label,
    status as etat,
    -- lieu
    zipcode as code_postal,
    city as ville,
    country as pays_code,
    lat as latitude,
    long as longitude,
    -- provenance
    _origine as origine
from source
