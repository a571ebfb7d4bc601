with audience as (
    select * from {{ ref('int_audience__unioned') }}
)

select
    source,
    site_id,
    site_label,
    page,
    jour,
    visites_count,
    pages_vues_count,
    origine
from audience
