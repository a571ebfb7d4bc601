-- What our transformations add up to, against what was received: any difference is ours.
{{ config(meta={'dagster': {'ref': {'name': 'fct_avis'}}}) }}

{% set releves_du_jour -%}
    (
        select coalesce(sum(nombre), 0)
        from {{ source('signalements_agreges', 'releves') }}
        where grain = 'jour'
    )
{%- endset %}

with totaux as (
    select
        'avis' as objet,
        (select count(*) from {{ source('services_publics_plus', 'experiences') }})
        + (
            select count(*)
            from {{ source('avis_google', 'reviews') }}
            where coalesce(state, '') != 'deleted' and delete_date is null
        ) as recu,
        (select count(*) from {{ ref('fct_avis') }}) as publie
    union all
    select
        'reponses' as objet,
        (
            select
                count(ressenti) + count(accessibilite) + count(information_explication)
                + count(relation) + count(reactivite) + count(simplicite_complexite)
            from {{ source('services_publics_plus', 'experiences') }}
        )
        + (
            select coalesce(sum(count), 0)
            from {{ source('jedonnemonavis', 'statistiques') }}
            where category != 'contact_tried'
        )
        + (
            select count(rating)
            from {{ source('avis_google', 'reviews') }}
            where coalesce(state, '') != 'deleted' and delete_date is null
        ) as recu,
        (select sum(avis_count) from {{ ref('int_satisfaction__unioned') }}) as publie
    union all
    select
        'signalements' as objet,
        (select coalesce(sum(count), 0) from {{ source('perceval', 'nb_report_day') }})
        + (select count(*) from {{ source('pre_plainte', 'declarations') }})
        + {{ releves_du_jour }} as recu,
        (select sum(signalements_count) from {{ ref('int_signalements__unioned') }}) as publie
    union all
    select
        'montants' as objet,
        (select round(sum(amount), 2) from {{ source('perceval', 'amount_of_money_day') }})
            as recu,
        (select round(sum(montant_eur), 2) from {{ ref('int_signalements__unioned') }}) as publie
    union all
    select
        'signalements par departement' as objet,
        (select coalesce(sum(count), 0) from {{ source('perceval', 'dpt_report_month') }})
        + (select count(*) from {{ source('pre_plainte', 'declarations') }})
        + {{ releves_du_jour }} as recu,
        (
            select sum(signalements_count)
            from {{ ref('int_signalements__ventiles') }}
            where axe = 'departement'
        ) as publie
    union all
    select
        'signalements par age' as objet,
        (select sum(count) from {{ source('perceval', 'age_categories_month') }}) as recu,
        (
            select sum(signalements_count)
            from {{ ref('int_signalements__ventiles') }}
            where axe = 'age'
        ) as publie
    union all
    select
        'releves' as objet,
        (select sum(nombre) from {{ source('signalements_agreges', 'releves') }}) as recu,
        (select sum(signalements_count) from {{ ref('int_signalements__releves') }}) as publie
    union all
    select
        'contacts' as objet,
        (select count(*) from {{ source('ma_gendarmerie', 'contacts') }}) as recu,
        (select sum(contacts_count) from {{ ref('int_contacts__unioned') }}) as publie
    union all
    select
        'comptes' as objet,
        (select coalesce(sum(followers_count), 0) from {{ source('x', 'users') }})
        + (select coalesce(sum(followers_count), 0) from {{ source('mastodon', 'accounts') }})
        + (select coalesce(sum(followers_count), 0) from {{ source('bluesky', 'profiles') }})
        + (select coalesce(sum(subscriber_count), 0) from {{ source('youtube', 'channels') }})
        + (select coalesce(sum(followers_count), 0) from {{ source('linkedin', 'organizations') }})
        + (select coalesce(sum(page_follows), 0) from {{ source('facebook', 'page_insights') }})
        + (select coalesce(sum(followers_count), 0) from {{ source('instagram', 'accounts') }})
            as recu,
        (select sum(abonnes_count) from {{ ref('fct_comptes') }}) as publie
    union all
    select
        'messages par heure' as objet,
        (select coalesce(sum(post_count), 0) from {{ source('x', 'tweet_counts') }})
        + (select count(*) from {{ source('mastodon', 'statuses') }})
        + (select count(*) from {{ source('bluesky', 'posts') }}) as recu,
        (select sum(messages_count) from {{ ref('fct_volumes_sociaux') }}) as publie
    union all
    select
        'messages par jour' as objet,
        (select coalesce(sum(post_count), 0) from {{ source('x', 'tweet_counts') }})
        + (select count(*) from {{ source('mastodon', 'statuses') }})
        + (select count(*) from {{ source('bluesky', 'posts') }}) as recu,
        (select sum(messages_count) from {{ ref('fct_volumes_sociaux__quotidiens') }}) as publie
    union all
    select
        'visites' as objet,
        (select coalesce(sum(m_visits), 0) from {{ source('piano', 'visits') }})
        + (select coalesce(sum(nb_visits), 0) from {{ source('matomo', 'visits') }}) as recu,
        (select sum(visites_count) from {{ ref('fct_audience') }}) as publie
    union all
    select
        'pages vues' as objet,
        (select coalesce(sum(m_page_loads), 0) from {{ source('piano', 'pages') }})
        + (select coalesce(sum(nb_hits), 0) from {{ source('matomo', 'pages') }}) as recu,
        (select sum(pages_vues_count) from {{ ref('fct_audience') }}) as publie
    union all
    select
        'faits' as objet,
        (select sum(nombre) from {{ source('ssmsi', 'delinquance_departements') }}) as recu,
        (select sum(faits_count) from {{ ref('fct_delinquance') }}) as publie
    union all
    select
        'structures' as objet,
        (select count(*) from {{ source('structures', 'structures') }}) as recu,
        (select count(*) from {{ ref('ref_structures') }}) as publie
    union all
    select
        'quarantaine' as objet,
        (select count(*) from {{ source('quarantaine', 'lignes') }}) as recu,
        (select sum(lignes_count) from {{ ref('fct_quarantaine') }}) as publie
)

select
    objet,
    coalesce(recu, 0) as recu,
    coalesce(publie, 0) as publie
from totaux
where coalesce(recu, 0) != coalesce(publie, 0)
