with audience as (
    select * from {{ ref('int_audience__unioned') }}
)

select
    source,
    site_id,
    site_label,
    page,
    {{ mois('jour') }} as mois,
    cast(sum(visites_count) as bigint) as visites_count,
    cast(sum(pages_vues_count) as bigint) as pages_vues_count,
    origine
from audience
group by source, site_id, site_label, page, {{ mois('jour') }}, origine
