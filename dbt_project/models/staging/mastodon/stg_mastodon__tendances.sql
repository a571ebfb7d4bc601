with source as (
    select * from {{ source('mastodon', 'trending_tags') }}
)

select
    -- ids
    instance,
    name as mot_diese,
    -- dates
    day as jour,
    -- mesures
    uses as usages_count,
    accounts as comptes_count,
    -- provenance
    _origine as origine
from source
