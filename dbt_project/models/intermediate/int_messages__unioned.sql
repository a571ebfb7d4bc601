-- What citizens write, and nothing of what our own accounts publish (those posts have no subject).
with avis as (
    select * from {{ ref('int_avis__unioned') }}
),

-- With or without its text, which leaves after 30 days.
publications as (
    select * from {{ ref('int_publications__unioned') }}
    where sujet is not null
),

lieux_cites as (
    select * from {{ ref('int_lieux__cites') }}
),

seuils as (
    {{ seuils('lieux', ['confiance_min']) }}
),

-- Nothing but its own words says where a post is from.
situees as (
    select
        lieux_cites.message_id,
        lieux_cites.departement_code
    from lieux_cites
    cross join seuils
    where lieux_cites.confiance >= seuils.confiance_min
),

-- A post found under two subjects is one message.
premieres as (
    select
        plateforme,
        publication_id,
        min(sujet) as sujet
    from publications
    group by plateforme, publication_id
)

select
    avis_id as message_id,
    'avis' as famille,
    source,
    coalesce(titre || '. ', '') || coalesce(texte, '') as texte,
    publie_at as ecrit_at,
    jour,
    departement_code,
    geo_precision,
    is_perimetre_gendarmerie,
    ressenti,
    origine
from avis
where coalesce(titre, texte) is not null
union all
select
    publications.plateforme || ':' || publications.publication_id as message_id,
    'reseaux' as famille,
    publications.plateforme as source,
    publications.texte,
    publications.publie_at as ecrit_at,
    publications.jour,
    situees.departement_code,
    case when situees.departement_code is null then 'inconnu' else 'texte' end as geo_precision,
    true as is_perimetre_gendarmerie,
    cast(null as string) as ressenti,
    publications.origine
from publications
inner join premieres
    on
        publications.plateforme = premieres.plateforme
        and publications.publication_id = premieres.publication_id
        and publications.sujet = premieres.sujet
left join situees
    on publications.plateforme || ':' || publications.publication_id = situees.message_id
