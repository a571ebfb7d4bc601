with departements as (
    select * from {{ ref('stg_geographie__departements') }}
),

regions as (
    select * from {{ ref('stg_geographie__regions') }}
),

populations as (
    select
        departement_code,
        cast(sum(population_count) as bigint) as population_count
    from {{ ref('stg_geographie__communes') }}
    where commune_type = 'commune-actuelle'
    group by departement_code
)

select
    departements.departement_code,
    departements.departement_label,
    departements.region_code,
    regions.region_label,
    populations.population_count,
    departements.zone != 'metro' as is_outre_mer,
    departements.zone in ('metro', 'drom') as is_departement
from departements
left join regions
    on departements.region_code = regions.region_code
left join populations
    on departements.departement_code = populations.departement_code
