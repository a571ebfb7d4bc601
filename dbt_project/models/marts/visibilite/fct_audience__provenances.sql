-- A handful of visits from one town would say who came: they stay with their region.
with provenances as (
    select * from {{ ref('stg_piano__provenances') }}
),

regions as (
    select * from {{ ref('map_piano__regions') }}
),

seuils as (
    select valeur from {{ ref('taxo_seuils') }}
    where seuil = 'petites_cellules'
),

nommees as (
    select
        'piano' as source,
        provenances.site_id || '/' || provenances.site_label as site_id,
        provenances.site_label,
        provenances.mois,
        provenances.pays,
        provenances.region as region_recue,
        regions.region_code,
        case when provenances.visites_count >= seuils.valeur then provenances.ville end as ville,
        provenances.visites_count,
        provenances.origine
    from provenances
    cross join seuils
    left join regions on provenances.region = regions.geo_region
)

select
    source,
    site_id,
    site_label,
    mois,
    pays,
    region_recue,
    region_code,
    ville,
    cast(sum(visites_count) as bigint) as visites_count,
    origine
from nommees
group by
    source, site_id, site_label, mois, pays, region_recue, region_code, ville, origine
