{{ config(tags=['heure']) }}

with signaux as (
    select * from {{ ref('int_signaux__suivis') }}
),

deplies as (
    select
        signal_id,
        {{ deplier('preuves') }}
    from signaux
),

messages as (
    select * from {{ ref('int_signaux__messages') }}
)

select
    signal_id,
    rang,
    nature,
    source,
    sujet,
    departement_code,
    periode_at,
    observe_count,
    attendu_count,
    attendu_bas_count,
    attendu_haut_count,
    attendu_label,
    intervalle_label,
    chance,
    texte,
    case famille
        when 'avis' then '/perception'
        when 'contacts' then '/actions'
        when 'signalements' then '/actions'
        when 'audience' then '/visibilite'
        when 'reseaux' then '/visibilite'
    end as lien
from deplies
union all
select
    signal_id,
    rang,
    'message' as nature,
    source,
    sujet,
    departement_code,
    publie_at as periode_at,
    null as observe_count,
    null as attendu_count,
    null as attendu_bas_count,
    null as attendu_haut_count,
    null as attendu_label,
    null as intervalle_label,
    null as chance,
    extrait as texte,
    '/visibilite' as lien
from messages
