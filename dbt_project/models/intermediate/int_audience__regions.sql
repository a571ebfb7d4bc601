with provenances as (
    select * from {{ ref('stg_piano__provenances') }}
),

regions as (
    select * from {{ ref('map_piano__regions') }}
)

select
    'piano' as source,
    provenances.site_id || '/' || provenances.site_label as site_id,
    provenances.site_label,
    provenances.mois,
    provenances.pays,
    provenances.region as region_recue,
    regions.region_code,
    cast(sum(provenances.visites_count) as bigint) as visites_count,
    provenances.origine
from provenances
left join regions on provenances.region = regions.geo_region
group by
    provenances.site_id,
    provenances.site_label,
    provenances.mois,
    provenances.pays,
    provenances.region,
    regions.region_code,
    provenances.origine
