with source as (
    select * from {{ source('matomo', 'pages') }}
)

select
    -- ids
    cast(idsite as string) as site_id,
    label as page,
    -- dates
    date as jour,
    -- mesures
    nb_hits as pages_vues_count,
    nb_visits as visites_count,
    entry_nb_visits as entrees_count,
    exit_nb_visits as sorties_count,
    sum_time_spent as duree_secondes_count,
    -- provenance
    _origine as origine
from source
