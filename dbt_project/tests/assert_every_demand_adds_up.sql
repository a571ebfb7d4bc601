-- One total however it is cut: by need, week, département, source or period.
{{ config(meta={'dagster': {'ref': {'name': 'fct_besoins'}}}) }}

with totaux as (
    select
        'messages, couverture' as objet,
        (
            select count(*)
            from {{ ref('int_messages__unioned') }}
            where source != 'jedonnemonavis'
        ) as recu,
        (
            select sum(messages_count + hors_perimetre_count)
            from {{ ref('fct_besoins__couverture') }}
            where grain = 'semaine'
        ) as publie
    union all
    select
        'contacts, couverture' as objet,
        (select sum(contacts_count) from {{ ref('int_contacts__publies') }}) as recu,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__couverture') }}
            where famille = 'contacts'
        ) as publie
    union all
    -- They speak of one need each.
    select
        'couverture et besoins' as objet,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__couverture') }}
            where grain = 'mois'
        ) as recu,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins') }}
            where grain = 'mois'
        ) as publie
    union all
    select
        'besoins par jour et par semaine' as objet,
        (
            select sum(messages_count) + sum(negatifs_count)
            from {{ ref('int_demandes__unioned') }}
        ) as recu,
        (select sum(messages_count) + sum(negatifs_count) from {{ ref('fct_besoins') }}) as publie
    union all
    select
        'besoins par jour et par departement' as objet,
        (
            select sum(demandes.messages_count)
            from {{ ref('int_demandes__unioned') }} as demandes
            inner join {{ ref('int_periodes__glissantes') }} as periodes
                on demandes.jour between periodes.debut_le and periodes.fin_le
            where demandes.besoin_code != 'indetermine'
        ) as recu,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__departements') }}
            where famille not in ('messages', 'toutes')
        ) as publie
    union all
    select
        'besoins, familles et toutes' as objet,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__departements') }}
            where famille not in ('messages', 'toutes')
        ) as recu,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__departements') }}
            where famille = 'toutes'
        ) as publie
    union all
    select
        'couverture et departements' as objet,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__couverture') }}
            where famille != 'contacts'
        ) as recu,
        (select sum(messages_count) from {{ ref('fct_departements__mensuels') }}) as publie
    union all
    select
        'departements, par mois et par periode' as objet,
        (
            select sum(mensuels.messages_count)
            from {{ ref('fct_departements__mensuels') }} as mensuels
            inner join {{ ref('int_periodes__glissantes') }} as periodes
                on mensuels.mois between periodes.debut_le and periodes.fin_le
        ) as recu,
        (
            select sum(messages_count)
            from {{ ref('fct_departements') }}
            where famille = 'toutes'
        ) as publie
    union all
    -- A need answered by two services is on two lines, with one demand.
    select
        'demande de l''adequation' as objet,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__departements') }}
            where famille not in ('signalements', 'messages', 'toutes')
        ) as recu,
        (
            select sum(demande_count)
            from (
                select distinct
                    periode_rang,
                    besoin_code,
                    demande_count
                from {{ ref('fct_adequation') }}
            ) as besoins
        ) as publie
)

select
    objet,
    coalesce(recu, 0) as recu,
    coalesce(publie, 0) as publie
from totaux
where coalesce(recu, 0) != coalesce(publie, 0)
