-- What is published of each measure, and nothing else: months where persons have a département,
-- days where they have none. An effect drawn from hidden counts needs no other protection.
with mesures as (
    select * from {{ ref('taxo_mesures') }}
    where mesure_id in (
        select campagnes.mesure_id from {{ ref('int_campagnes__mesurees') }} as campagnes
    )
),

departements as (
    select * from {{ ref('stg_geographie__departements') }}
),

signalements_mensuels as (
    select * from {{ ref('int_signalements__publies') }}
    where departement_code is not null
),

signalements_quotidiens as (
    {{ publies(
        'int_signalements__quotidiens',
        cle=['source', 'menace', 'jour'],
        mesures=['signalements_count'],
    ) }}
),

contacts_quotidiens as (
    {{ publies(
        'int_contacts__quotidiens',
        cle=['source', 'jour'],
        mesures=['contacts_count'],
    ) }}
),

volumes as (
    select * from {{ ref('int_volumes_sociaux__unioned') }}
    where jour < {{ aujourd_hui() }}
),

pages as (
    select * from {{ ref('int_audience__unioned') }}
    where page is not null and jour < {{ aujourd_hui() }}
),

quotidiens as (
    select
        'signalements' as famille,
        source,
        menace as sujet,
        jour,
        signalements_count as observe_count,
        origine
    from signalements_quotidiens
    union all
    select
        'contacts' as famille,
        source,
        cast(null as string) as sujet,
        jour,
        contacts_count as observe_count,
        origine
    from contacts_quotidiens
    union all
    select
        'reseaux' as famille,
        plateforme as source,
        sujet,
        jour,
        sum(messages_count) as observe_count,
        min(origine) as origine
    from volumes
    group by plateforme, sujet, jour
    union all
    select
        'audience' as famille,
        source,
        page as sujet,
        jour,
        sum(pages_vues_count) as observe_count,
        min(origine) as origine
    from pages
    group by source, page, jour
),

-- Other subjects of the same source tell what the day did to all; a hidden one hides their sum.
ensembles as (
    select
        famille,
        source,
        jour,
        case when count(observe_count) = count(*) then sum(observe_count) end as total_count,
        count(*) as sujets_count
    from quotidiens
    group by famille, source, jour
)

select
    mesures.mesure_id,
    'jour' as pas,
    cast(null as string) as departement_code,
    cast(null as string) as region_code,
    quotidiens.jour as periode_le,
    cast(quotidiens.observe_count as bigint) as observe_count,
    cast(
        case
            when ensembles.sujets_count > 1 then ensembles.total_count - quotidiens.observe_count
        end as bigint
    ) as autres_count,
    quotidiens.origine
from mesures
inner join quotidiens
    on
        mesures.famille = quotidiens.famille
        and mesures.source = quotidiens.source
        and coalesce(mesures.sujet, '') = coalesce(quotidiens.sujet, '')
inner join ensembles
    on
        quotidiens.famille = ensembles.famille
        and quotidiens.source = ensembles.source
        and quotidiens.jour = ensembles.jour
union all
select
    mesures.mesure_id,
    'mois' as pas,
    departements.departement_code,
    departements.region_code,
    signalements_mensuels.mois as periode_le,
    cast(signalements_mensuels.signalements_count as bigint) as observe_count,
    cast(null as bigint) as autres_count,
    signalements_mensuels.origine
from mesures
inner join signalements_mensuels
    on
        mesures.source = signalements_mensuels.source
        and mesures.sujet = signalements_mensuels.menace
inner join departements
    on signalements_mensuels.departement_code = departements.departement_code
where mesures.famille = 'signalements'
