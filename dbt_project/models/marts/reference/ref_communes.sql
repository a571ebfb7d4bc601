with communes as (
    select * from {{ ref('stg_geographie__communes') }}
    where commune_type = 'commune-actuelle'
),

codes_postaux as (
    select
        commune_code,
        {{ unnest_json('codes_postaux_json') }} as code_postal
    from communes
    where codes_postaux_json is not null
),

listes as (
    select
        commune_code,
        {{ liste('code_postal') }} as codes_postaux
    from codes_postaux
    group by commune_code
)

select
    communes.commune_code,
    communes.commune_label,
    communes.departement_code,
    communes.region_code,
    communes.population_count,
    listes.codes_postaux
from communes
left join listes
    on communes.commune_code = listes.commune_code
