-- A handful of visits from one town would say who came: they stay with their region.
with provenances as (
    select * from {{ ref('int_audience__provenances') }}
),

seuils as (
    select valeur from {{ ref('taxo_seuils') }}
    where seuil = 'petites_cellules'
),

nommees as (
    select
        provenances.*,
        case when provenances.visites_count >= seuils.valeur then provenances.ville end
            as ville_nommee
    from provenances
    cross join seuils
)

select
    source,
    site_id,
    site_label,
    mois,
    pays,
    region_code,
    ville_nommee as ville,
    cast(sum(visites_count) as bigint) as visites_count,
    origine
from nommees
group by source, site_id, site_label, mois, pays, region_code, ville_nommee, origine
