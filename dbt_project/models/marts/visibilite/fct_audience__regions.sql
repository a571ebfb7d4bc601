with audience as (
    select * from {{ ref('int_audience__regions') }}
)

select
    source,
    site_id,
    site_label,
    mois,
    pays,
    region_recue,
    region_code,
    visites_count,
    origine
from audience
