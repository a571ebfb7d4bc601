with source as (
    select * from {{ source('matomo', 'sites') }}
)

select
    -- ids
    cast(idsite as string) as site_id,
    name as site_label,
    main_url as url,
    timezone as fuseau,
    -- provenance
    _origine as origine
from source
