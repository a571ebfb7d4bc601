with regions as (
    select * from {{ ref('stg_geographie__regions') }}
),

populations as (
    select
        region_code,
        cast(sum(population_count) as bigint) as population_count
    from {{ ref('stg_geographie__communes') }}
    where commune_type = 'commune-actuelle'
    group by region_code
)

select
    regions.region_code,
    regions.region_label,
    populations.population_count
from regions
left join populations
    on regions.region_code = populations.region_code
