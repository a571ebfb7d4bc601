-- Each exact table of persons tells the same whole months as the table that it comes from.
{{ config(meta={'dagster': {'ref': {'name': 'int_signalements__totaux'}}}) }}

with totaux as (
    select
        'signalements' as objet,
        (
            select sum(signalements_count)
            from {{ ref('int_signalements__unioned') }}
            where {{ est_close(mois('jour')) }}
        ) as recu,
        (select sum(signalements_count) from {{ ref('int_signalements__quotidiens') }}) as compte
    union all
    select
        'montants' as objet,
        (
            select round(sum(montant_eur), 2)
            from {{ ref('int_signalements__unioned') }}
            where {{ est_close(mois('jour')) }}
        ) as recu,
        (select round(sum(montant_eur), 2) from {{ ref('int_signalements__quotidiens') }})
            as compte
    union all
    select
        'jours des totaux' as objet,
        (select sum(signalements_count) from {{ ref('int_signalements__quotidiens') }}) as recu,
        (select sum(jours_count) from {{ ref('int_signalements__totaux') }}) as compte
    union all
    select
        'departements des totaux' as objet,
        (select sum(signalements_count) from {{ ref('int_signalements__mensuels') }}) as recu,
        (select sum(departements_count) from {{ ref('int_signalements__totaux') }}) as compte
    union all
    select
        'ages des totaux' as objet,
        (select sum(signalements_count) from {{ ref('int_signalements__ages') }}) as recu,
        (select sum(ages_count) from {{ ref('int_signalements__totaux') }}) as compte
    union all
    select
        'releves' as objet,
        (
            select sum(signalements_count)
            from {{ ref('int_signalements__releves') }}
            where
                (grain = 'annee' and {{ est_close('debut_le', 'year') }})
                or (grain != 'annee' and {{ est_close(mois('debut_le')) }})
        ) as recu,
        (select sum(signalements_count) from {{ ref('int_signalements__services') }}) as compte
    union all
    select
        'pre-plaintes' as objet,
        (
            select sum(signalements_count)
            from {{ ref('int_signalements__quotidiens') }}
            where source = 'pre_plainte'
        ) as recu,
        (select sum(declarations_count) from {{ ref('int_pre_plaintes__mensuelles') }}) as compte
    {% for grain in ['mensuels', 'quotidiens', 'horaires'] %}
        union all
        select
            'contacts {{ grain }}' as objet,
            (
                select sum(contacts_count)
                from {{ ref('int_contacts__unioned') }}
                where {{ est_close(mois(jour_paris('heure_at'))) }}
            ) as recu,
            (select sum(contacts_count) from {{ ref('int_contacts__' ~ grain) }}) as compte
    {% endfor %}
)

select
    objet,
    coalesce(recu, 0) as recu,
    coalesce(compte, 0) as compte
from totaux
where coalesce(recu, 0) != coalesce(compte, 0)
