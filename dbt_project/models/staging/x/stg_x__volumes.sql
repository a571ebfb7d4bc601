with source as (
    select * from {{ source('x', 'tweet_counts') }}
)

select
    -- ids
    sujet,
    -- dates
    {{ utc('start_at') }} as debut_at,
    {{ utc('end_at') }} as fin_at,
    -- mesures
    post_count as messages_count,
    -- provenance
    _origine as origine,
    _dlt_load_id as chargement_id
from source
