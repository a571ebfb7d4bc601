with visites as (
    select * from {{ ref('stg_piano__visites') }}
)

select
    'piano' as source,
    site_id || '/' || site_label as site_id,
    site_label,
    {{ mois('jour') }} as mois,
    heure,
    cast(sum(visites_count) as bigint) as visites_count,
    origine
from visites
group by site_id, site_label, {{ mois('jour') }}, heure, origine
