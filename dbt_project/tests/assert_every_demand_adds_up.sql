-- One total however it is cut: by need, week, département, source or period.
{{ config(meta={'dagster': {'ref': {'name': 'fct_besoins'}}}) }}

with totaux as (
    select
        'messages, couverture' as objet,
        (select count(*) from {{ ref('int_messages__unioned') }}) as recu,
        (
            select sum(messages_count + hors_perimetre_count)
            from {{ ref('fct_besoins__couverture') }}
            where famille in ('avis', 'reseaux')
        ) as publie
    union all
    select
        'contacts, couverture' as objet,
        (select sum(contacts_count) from {{ ref('fct_contacts') }}) as recu,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__couverture') }}
            where famille = 'contacts'
        ) as publie
    union all
    select
        'signalements, couverture' as objet,
        (select sum(signalements_count) from {{ ref('fct_signalements') }}) as recu,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__couverture') }}
            where famille = 'signalements'
        ) as publie
    {% for famille, mart, mesure in [
        ('contacts', 'fct_contacts', 'contacts_count'),
        ('signalements', 'fct_signalements', 'signalements_count'),
    ] %}
        -- They speak of one need each.
        union all
        select
            '{{ famille }}, besoins' as objet,
            (select sum({{ mesure }}) from {{ ref(mart) }}) as recu,
            (
                select sum(messages_count)
                from {{ ref('fct_besoins') }}
                where famille = '{{ famille }}'
            ) as publie
    {% endfor %}
    union all
    select
        'besoins par jour et par semaine' as objet,
        (
            select sum(messages_count + coalesce(negatifs_count, 0))
            from {{ ref('int_demandes__unioned') }}
        ) as recu,
        (
            select sum(messages_count + coalesce(negatifs_count, 0))
            from {{ ref('fct_besoins') }}
        ) as publie
    union all
    select
        'besoins par jour et par departement' as objet,
        (
            select sum(demandes.messages_count)
            from {{ ref('int_demandes__unioned') }} as demandes
            inner join {{ ref('int_periodes__glissantes') }} as periodes
                on demandes.jour between periodes.debut_le and periodes.fin_le
            where demandes.famille != 'signalements' and demandes.besoin_code != 'indetermine'
        ) as recu,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__departements') }}
            where famille not in ('signalements', 'toutes')
        ) as publie
    union all
    select
        'besoins, familles et toutes' as objet,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__departements') }}
            where famille != 'toutes'
        ) as recu,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__departements') }}
            where famille = 'toutes'
        ) as publie
    union all
    -- A need answered by two services is on two lines, with one demand.
    select
        'demande de l''adequation' as objet,
        (
            select sum(messages_count)
            from {{ ref('fct_besoins__departements') }}
            where famille not in ('signalements', 'toutes')
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
