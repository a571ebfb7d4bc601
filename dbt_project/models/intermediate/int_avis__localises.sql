with avis_google as (
    select
        *,
        'avis_google:' || avis_id as avis_google_id
    from {{ ref('stg_avis_google__avis') }}
),

unites as (
    select * from {{ ref('stg_avis_google__unites') }}
),

experiences as (
    select
        *,
        'services_publics_plus:' || experience_id as avis_id
    from {{ ref('stg_services_publics_plus__experiences') }}
),

services as (
    select * from {{ ref('int_avis__services') }}
),

codes_postaux as (
    select * from {{ ref('int_communes__codes_postaux') }}
),

bureaux as (
    select * from {{ ref('int_communes__bureaux') }}
),

structures as (
    select * from {{ ref('int_structures__localisees') }}
    where is_locale
),

departements as (
    select * from {{ ref('stg_geographie__departements') }}
),

lieux_cites as (
    select * from {{ ref('int_lieux__cites') }}
),

seuils as (
    {{ seuils('lieux', ['confiance_min']) }}
),

-- Abroad, five digits can be anybody's postcode.
territoires as (
    select 'France' as pays
    union all
    select departement_label as pays
    from departements
    where zone != 'metro'
),

codes_postaux_cites as (
    select
        avis_id,
        2 as rang,
        {{ code_postal('code_postal') }} as code_postal,
        coalesce(pays, 'France') as pays
    from experiences
    where code_postal is not null
    union all
    select
        avis_id,
        2 + rang as rang,
        {{ code_postal('code_postal') }} as code_postal,
        coalesce(pays, 'France') as pays
    from services
    where code_postal is not null
),

-- Every way to a département, from the surest to the least.
lieux as (
    select
        experiences.avis_id,
        1 as rang,
        departements.departement_code,
        'departement_usager' as geo_precision
    from experiences
    inner join departements
        on {{ code_departement('experiences.departement_code') }} = departements.departement_code
    union all
    select
        codes_postaux_cites.avis_id,
        codes_postaux_cites.rang,
        codes_postaux.departement_code,
        'code_postal' as geo_precision
    from codes_postaux_cites
    inner join territoires
        on codes_postaux_cites.pays = territoires.pays
    inner join codes_postaux
        on codes_postaux_cites.code_postal = codes_postaux.code_postal
    union all
    select
        services.avis_id,
        5 + services.rang as rang,
        structures.departement_code,
        'structure' as geo_precision
    from services
    inner join structures
        on services.structure_id = structures.structure_id
    union all
    -- A unit that people visit says where they were.
    select
        avis_google.avis_google_id as avis_id,
        1 as rang,
        codes_postaux.departement_code,
        'structure' as geo_precision
    from avis_google
    inner join unites
        on avis_google.unite_id = unites.unite_id
    inner join codes_postaux
        on {{ code_postal('unites.code_postal') }} = codes_postaux.code_postal
    union all
    -- A postcode on two sides of a border: the town says which.
    select
        avis_google.avis_google_id as avis_id,
        2 as rang,
        bureaux.departement_code,
        'structure' as geo_precision
    from avis_google
    inner join unites
        on avis_google.unite_id = unites.unite_id
    inner join bureaux
        on
            {{ code_postal('unites.code_postal') }} = bureaux.code_postal
            and {{ nom_de_lieu('unites.ville') }} = bureaux.commune_nom
    union all
    -- The last resort: what the message itself names, when it is sure enough.
    select
        lieux_cites.message_id as avis_id,
        100 as rang,
        lieux_cites.departement_code,
        'texte' as geo_precision
    from lieux_cites
    cross join seuils
    where lieux_cites.confiance >= seuils.confiance_min
)

select
    avis_id,
    min_by(departement_code, rang) as departement_code,
    min_by(geo_precision, rang) as geo_precision
from lieux
group by avis_id
