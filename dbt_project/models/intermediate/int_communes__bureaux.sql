with communes as (
    select * from {{ ref('stg_geographie__communes') }}
),

codes_postaux as (
    select
        commune_label,
        departement_code,
        {{ unnest_json('codes_postaux_json') }} as code_postal
    from communes
    where codes_postaux_json is not null
),

noms as (
    select
        code_postal,
        {{ nom_de_lieu('commune_label') }} as commune_nom,
        departement_code
    from codes_postaux
)

select
    code_postal,
    commune_nom,
    min(departement_code) as departement_code
from noms
group by code_postal, commune_nom
having count(distinct departement_code) = 1
