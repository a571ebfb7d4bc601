with communes as (
    select * from {{ ref('stg_geographie__communes') }}
),

codes_postaux as (
    select
        departement_code,
        {{ unnest_json('codes_postaux_json') }} as code_postal
    from communes
    where codes_postaux_json is not null
)

-- A postcode shared by communes of two départements says neither.
select
    code_postal,
    min(departement_code) as departement_code
from codes_postaux
group by code_postal
having count(distinct departement_code) = 1
