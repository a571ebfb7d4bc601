with source as (
    select * from {{ source('matomo', 'visits') }}
)

select
    -- ids
    cast(idsite as string) as site_id,
    -- dates
    date as jour,
    -- mesures
    nb_visits as visites_count,
    nb_uniq_visitors as visiteurs_uniques_count,
    nb_actions as actions_count,
    sum_visit_length as duree_secondes_count,
    bounce_count as rebonds_count,
    -- provenance
    _origine as origine
from source
