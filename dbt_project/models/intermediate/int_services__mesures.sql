{% set mesures = ['vues', 'usages', 'notes', 'satisfaits', 'commences', 'aboutis'] %}

-- Who looked, who used it, who was satisfied, what came to its end: nothing is null, not zero.
with periodes as (
    select * from {{ ref('int_periodes__glissantes') }}
),

audience as (
    select * from {{ ref('int_audience__unioned') }}
    where page is not null
),

pages as (
    select * from {{ ref('map_pages__services') }}
),

sources as (
    select * from {{ ref('map_sources__services') }}
),

ouvertes as (
    select * from {{ ref('int_satisfaction__ouvertes') }}
    where question = 'ressenti'
),

-- By quarter: the one that begins in a period is of it.
trimestrielles as (
    select * from {{ ref('int_satisfaction__publies') }}
    where question = 'ressenti'
),

signalements as (
    select * from {{ ref('int_signalements__publies') }}
    where source != 'signalements_agreges'
),

releves as (
    select * from {{ ref('int_signalements__releves_publies') }}
),

contacts as (
    select * from {{ ref('int_contacts__publies') }}
),

declarations as (
    select * from {{ ref('int_pre_plaintes__publiees') }}
),

satisfaction as (
    select
        source,
        service_label,
        reponse,
        jour,
        avis_count,
        origine
    from ouvertes
    union all
    select
        source,
        service_label,
        reponse,
        mois as jour,
        avis_count,
        origine
    from trimestrielles
),

-- Two grains of one service are the same reports.
services_quotidiens as (
    select distinct service
    from releves
    where grain = 'jour'
),

recues as (
    {% for source in ['signalements', 'contacts'] %}
        select
            'usage' as objet,
            source,
            source as libelle,
            mois as jour,
            'usages' as mesure,
            {{ source }}_count as valeur,
            origine
        from {{ source }}
        union all
    {% endfor %}
    select
        'usage' as objet,
        releves.source,
        releves.service as libelle,
        releves.debut_le as jour,
        'usages' as mesure,
        releves.signalements_count as valeur,
        releves.origine
    from releves
    left join services_quotidiens
        on releves.service = services_quotidiens.service
    where
        releves.grain = 'jour'
        or (releves.grain = 'mois' and services_quotidiens.service is null)
    union all
    select
        'usage' as objet,
        source,
        source as libelle,
        mois as jour,
        'commences' as mesure,
        declarations_count as valeur,
        origine
    from declarations
    union all
    select
        'usage' as objet,
        source,
        source as libelle,
        mois as jour,
        'aboutis' as mesure,
        case when is_terminee then declarations_count else 0 end as valeur,
        origine
    from declarations
    union all
    select
        'satisfaction' as objet,
        source,
        service_label as libelle,
        jour,
        'notes' as mesure,
        avis_count as valeur,
        origine
    from satisfaction
    union all
    select
        'satisfaction' as objet,
        source,
        service_label as libelle,
        jour,
        'satisfaits' as mesure,
        case when reponse = 'positif' then avis_count else 0 end as valeur,
        origine
    from satisfaction
),

rattachees as (
    select
        sources.service_code,
        recues.jour,
        recues.mesure,
        recues.valeur,
        recues.origine
    from recues
    inner join sources
        on
            recues.objet = sources.objet
            and recues.source = sources.source
            and lower(coalesce(recues.libelle, '')) like sources.motif
    union all
    select
        pages.service_code,
        audience.jour,
        'vues' as mesure,
        audience.pages_vues_count as valeur,
        audience.origine
    from audience
    inner join pages
        on
            audience.source = pages.source
            and lower(audience.site_label) like pages.site_motif
            and lower(audience.page) like pages.page_motif
)

select
    periodes.periode_rang,
    rattachees.service_code,
    {% for mesure in mesures %}
        cast(sum(case when rattachees.mesure = '{{ mesure }}' then rattachees.valeur end) as bigint)
            as {{ mesure }}_count,
    {% endfor %}
    min(rattachees.origine) as origine
from periodes
inner join rattachees
    on rattachees.jour between periodes.debut_le and periodes.fin_le
group by periodes.periode_rang, rattachees.service_code
