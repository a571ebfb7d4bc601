-- depends_on: {{ ref('ref_methodes') }}
{{ config(
    tags=['heure'],
    materialized='incremental',
    unique_key=['serie_id', 'heure_at']
) }}
{% set fenetre = debut_paris(debut_suivi()) %}

with volumes as (
    select * from {{ ref('int_volumes_sociaux__unioned') }}
),

contacts as (
    select * from {{ ref('int_contacts__unioned') }}
),

correspondances as (
    select * from {{ ref('map_series__sujets') }}
    where famille = 'contacts'
),

comptages as (
    select
        'reseaux' as famille,
        plateforme as source,
        sujet,
        heure_at,
        messages_count as observe_count,
        origine
    from volumes
    union all
    select
        'contacts' as famille,
        contacts.source,
        coalesce(correspondances.sujet, 'contacts') as sujet,
        contacts.heure_at,
        contacts.contacts_count as observe_count,
        contacts.origine
    from contacts
    left join correspondances on lower(contacts.motif) like correspondances.motif
),

comptes as (
    select
        famille,
        source,
        sujet,
        heure_at,
        cast(sum(observe_count) as bigint) as observe_count
    from comptages
    where
        heure_at < {{ maintenant() }}
        {% if is_incremental() %}and heure_at >= {{ fenetre }}{% endif %}
    group by famille, source, sujet, heure_at
),

{% if is_incremental() -%}
    -- A series never seen before waits for the run that makes all of its past.
    suivies as (
        select
            famille,
            source,
            sujet,
            max(heure_at) as heure_at,
            min(origine) as origine
        from {{ this }}
        group by famille, source, sujet
    ),
{%- endif %}

series as (
    select distinct
        famille,
        source,
        sujet
    from {{ 'suivies' if is_incremental() else 'comptes' }}
),

vues as (
    select
        source,
        heure_at,
        origine
    from comptages
    where
        heure_at < {{ maintenant() }}
    {% if is_incremental() -%}
        and heure_at >= {{ fenetre }}
    union all
    -- The hours since the last one known, be they silent.
    select
        source,
        heure_at,
        origine
    from suivies
    {%- endif %}
),

sources as (
    select
        source,
        min(heure_at) as debut_at,
        max(heure_at) as fin_at,
        min(origine) as origine
    from vues
    group by source
),

heures as (
    select {{ suite('debut_at', 'fin_at', 'hour') }} as heure_at
    from (
        select
            min(debut_at) as debut_at,
            max(fin_at) as fin_at
        from sources
    ) as bornes
),

-- X counts every hour, be it zero: an hour that it does not tell is not known. Elsewhere we count
-- what came, and nothing came.
connues as (
    select distinct
        source,
        heure_at
    from comptes
),

fraiches as (
    select
        series.famille || '/' || series.source || '/' || series.sujet || '/FR/heure' as serie_id,
        series.famille,
        series.source,
        series.sujet,
        cast(null as string) as departement_code,
        heures.heure_at,
        coalesce(comptes.observe_count, 0) as observe_count,
        case when series.source != 'x' or connues.source is not null then 1e0 else 0e0 end
            as exposition,
        {{ compte_des_personnes('series.source') }} as is_personnes,
        sources.origine
    from series
    inner join sources on series.source = sources.source
    inner join heures on heures.heure_at between sources.debut_at and sources.fin_at
    left join connues
        on
            series.source = connues.source
            and heures.heure_at = connues.heure_at
    left join comptes
        on
            series.source = comptes.source
            and series.sujet = comptes.sujet
            and heures.heure_at = comptes.heure_at
)

{% if is_incremental() -%}
    select *
    from fraiches
{%- else -%}
    {{ sans_recrire('fraiches', 'heure_at', [
        'serie_id', 'famille', 'source', 'sujet', 'departement_code', 'heure_at',
        'observe_count', 'exposition', 'is_personnes', 'origine',
    ]) }}
{%- endif %}
