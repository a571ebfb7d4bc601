with volumes as (
    select * from {{ ref('int_volumes_sociaux__unioned') }}
),

publications as (
    select * from {{ ref('int_publications__unioned') }}
    -- Of X we read the last ones only: their number says what we asked for.
    where sujet is not null and plateforme != 'x'
),

lieux_cites as (
    select * from {{ ref('int_lieux__cites') }}
),

seuils as (
    {{ seuils('lieux', ['confiance_min']) }}
),

avis as (
    select * from {{ ref('int_avis__unioned') }}
    where is_perimetre_gendarmerie
),

besoins as (
    select * from {{ ref('int_messages__besoins') }}
),

signalements as (
    select * from {{ ref('int_signalements__unioned') }}
),

contacts as (
    select * from {{ ref('int_contacts__unioned') }}
),

audience as (
    select * from {{ ref('int_audience__unioned') }}
),

correspondances as (
    select * from {{ ref('map_series__sujets') }}
),

-- Counted before they are compared to words: what follows costs days, not messages.
avis_comptes as (
    select
        source,
        service_label,
        ressenti,
        departement_code,
        jour,
        origine,
        count(*) as observe_count
    from avis
    group by source, service_label, ressenti, departement_code, jour, origine
),

besoins_comptes as (
    select
        avis.source,
        besoins.besoin_code,
        avis.departement_code,
        avis.jour,
        avis.origine,
        count(*) as observe_count
    from avis
    inner join besoins on avis.avis_id = besoins.message_id
    group by avis.source, besoins.besoin_code, avis.departement_code, avis.jour, avis.origine
),

avis_sujets as (
    select
        avis_comptes.source,
        correspondances.sujet,
        avis_comptes.departement_code,
        avis_comptes.jour,
        avis_comptes.observe_count,
        avis_comptes.origine
    from avis_comptes
    inner join correspondances
        on
            correspondances.famille = 'avis'
            and lower(avis_comptes.service_label) like correspondances.motif
    where avis_comptes.ressenti = 'negatif'
    union all
    -- What happens is told to whatever service one has dealt with, in whatever tone.
    select
        besoins_comptes.source,
        correspondances.sujet,
        besoins_comptes.departement_code,
        besoins_comptes.jour,
        besoins_comptes.observe_count,
        besoins_comptes.origine
    from besoins_comptes
    inner join correspondances
        on
            correspondances.famille = 'besoins'
            and besoins_comptes.besoin_code like correspondances.motif
    union all
    select
        source,
        'avis_negatifs' as sujet,
        departement_code,
        jour,
        observe_count,
        origine
    from avis_comptes
    where ressenti = 'negatif'
    union all
    select
        source,
        'avis' as sujet,
        departement_code,
        jour,
        observe_count,
        origine
    from avis_comptes
),

-- A place is known of those that name one: networks are small there, and are counted together.
situees as (
    select
        publications.sujet,
        lieux_cites.departement_code,
        publications.jour,
        publications.origine,
        count(*) as observe_count
    from publications
    inner join lieux_cites
        on publications.plateforme || ':' || publications.publication_id = lieux_cites.message_id
    cross join seuils
    where lieux_cites.confiance >= seuils.confiance_min
    group by
        publications.sujet, lieux_cites.departement_code, publications.jour, publications.origine
),

signalements_sujets as (
    select
        signalements.source,
        coalesce(correspondances.sujet, 'plaintes') as sujet,
        signalements.departement_code,
        signalements.jour,
        signalements.signalements_count,
        signalements.origine
    from signalements
    left join correspondances
        on
            correspondances.famille = 'signalements'
            and signalements.menace like correspondances.motif
),

comptages as (
    select
        'reseaux' as famille,
        plateforme as source,
        sujet,
        null as departement_code,
        jour,
        messages_count as observe_count,
        heure_at,
        origine
    from volumes
    union all
    select
        'reseaux' as famille,
        'reseaux' as source,
        sujet,
        departement_code,
        jour,
        observe_count,
        null as heure_at,
        origine
    from situees
    {% for departement in ['null', 'departement_code'] %}
        union all
        select
            'avis' as famille,
            source,
            sujet,
            {{ departement }} as departement_code,
            jour,
            observe_count,
            null as heure_at,
            origine
        from avis_sujets
        {% if departement != 'null' %}where departement_code is not null{% endif %}
        union all
        select
            'signalements' as famille,
            source,
            sujet,
            {{ departement }} as departement_code,
            jour,
            signalements_count as observe_count,
            null as heure_at,
            origine
        from signalements_sujets
        {% if departement != 'null' %}where departement_code is not null{% endif %}
    {% endfor %}
    union all
    select
        'contacts' as famille,
        contacts.source,
        coalesce(correspondances.sujet, 'contacts') as sujet,
        null as departement_code,
        {{ jour_paris('contacts.heure_at') }} as jour,
        contacts.contacts_count as observe_count,
        null as heure_at,
        contacts.origine
    from contacts
    left join correspondances
        on
            correspondances.famille = 'contacts'
            and lower(contacts.motif) like correspondances.motif
    union all
    select
        'audience' as famille,
        audience.source,
        correspondances.sujet,
        null as departement_code,
        audience.jour,
        audience.pages_vues_count as observe_count,
        null as heure_at,
        audience.origine
    from audience
    inner join correspondances
        on
            correspondances.famille = 'audience'
            and lower(audience.page) like correspondances.motif
    union all
    select
        'audience' as famille,
        source,
        'frequentation' as sujet,
        null as departement_code,
        jour,
        visites_count as observe_count,
        null as heure_at,
        origine
    from audience
    where page is null
),

comptes as (
    select
        famille,
        source,
        sujet,
        coalesce(departement_code, 'FR') as lieu,
        jour,
        cast(sum(observe_count) as bigint) as observe_count
    from comptages
    where jour < {{ aujourd_hui() }}
    group by famille, source, sujet, coalesce(departement_code, 'FR'), jour
),

series as (
    select distinct
        famille,
        source,
        sujet,
        lieu
    from comptes
),

sources as (
    select
        source,
        min(jour) as debut_le,
        max(jour) as fin_le,
        min(origine) as origine
    from comptages
    where jour < {{ aujourd_hui() }}
    group by source
),

jours as (
    select cast(jour_at as date) as jour
    from (
        select {{ suite('debut_le', 'fin_le', 'day') }} as jour_at
        from (
            select
                min(debut_le) as debut_le,
                max(fin_le) as fin_le
            from sources
        ) as bornes
    ) as minuits
),

-- X counts every hour, be it zero: those that it does not tell are not known.
heures_connues as (
    select
        source,
        jour,
        count(distinct heure_at) as heures_count
    from comptages
    where source = 'x'
    group by source, jour
),

fraiches as (
    select
        series.famille || '/' || series.source || '/' || series.sujet || '/' || series.lieu
        || '/jour' as serie_id,
        series.famille,
        series.source,
        series.sujet,
        case when series.lieu != 'FR' then series.lieu end as departement_code,
        jours.jour,
        {{ debut_paris('jours.jour') }} as jour_at,
        coalesce(comptes.observe_count, 0) as observe_count,
        case
            when series.source != 'x' then 1e0
            else
                coalesce(heures_connues.heures_count, 0) * 3600e0
                / {{ secondes_entre(
                    debut_paris('jours.jour'), debut_paris(plus_jours('jours.jour', 1))
                ) }}
        end as exposition,
        {{ compte_des_personnes('series.source') }} as is_personnes,
        sources.origine
    from series
    inner join sources on series.source = sources.source
    inner join jours on jours.jour between sources.debut_le and sources.fin_le
    left join heures_connues
        on
            series.source = heures_connues.source
            and jours.jour = heures_connues.jour
    left join comptes
        on
            series.famille = comptes.famille
            and series.source = comptes.source
            and series.sujet = comptes.sujet
            and series.lieu = comptes.lieu
            and jours.jour = comptes.jour
)

{{ sans_recrire('fraiches', 'jour', [
    'serie_id', 'famille', 'source', 'sujet', 'departement_code', 'jour', 'jour_at',
    'observe_count', 'exposition', 'is_personnes', 'origine',
]) }}
