-- Each week of each series beside the weeks before it: what is out of the ordinary says so itself.
-- Of posts, volumes alone: their texts are emptied after a month, and with them what is read there.
with volumes as (
    select * from {{ ref('int_volumes_sociaux__unioned') }}
),

avis as (
    select * from {{ ref('int_messages__suivis') }}
    where famille = 'avis' and is_perimetre_gendarmerie
),

demandes as (
    select * from {{ ref('int_messages__demandes') }}
    where famille = 'avis' and besoin_code != 'indetermine'
),

besoins as (
    select * from {{ ref('taxo_besoins') }}
),

sujets as (
    select * from {{ ref('taxo_sujets') }}
),

seuils as (
    {{ seuils('bulletin', ['semaines_reference', 't_intervalle', 'messages_min', 'semaines']) }}
),

comptes as (
    select
        'sujet' as rubrique,
        sujet as code,
        jour,
        messages_count,
        origine
    from volumes
    union all
    select
        'avis' as rubrique,
        'recus' as code,
        jour,
        1 as messages_count,
        origine
    from avis
    union all
    select
        'avis' as rubrique,
        'negatifs' as code,
        jour,
        case when tonalite = 'negatif' then 1 else 0 end as messages_count,
        origine
    from avis
    union all
    select
        'besoin' as rubrique,
        besoin_code as code,
        jour,
        1 as messages_count,
        origine
    from demandes
),

hebdomadaires as (
    select
        rubrique,
        code,
        {{ semaine('jour') }} as semaine_le,
        sum(messages_count) as messages_count
    from comptes
    group by rubrique, code, {{ semaine('jour') }}
),

bornes as (
    select
        rubrique,
        min({{ semaine('jour') }}) as premiere_le,
        max(jour) as dernier_jour,
        min(origine) as origine
    from comptes
    group by rubrique
),

semaines as (
    select distinct semaine_le
    from hebdomadaires
),

series as (
    select distinct
        rubrique,
        code
    from hebdomadaires
),

-- Whole weeks alone: the first and the last may have begun before, or go on after, what is known.
remplies as (
    select
        series.rubrique,
        series.code,
        semaines.semaine_le,
        coalesce(hebdomadaires.messages_count, 0) as messages_count,
        bornes.origine
    from series
    inner join bornes
        on series.rubrique = bornes.rubrique
    inner join semaines
        on
            bornes.premiere_le < semaines.semaine_le
            and bornes.dernier_jour >= {{ plus_jours('semaines.semaine_le', 6) }}
    left join hebdomadaires
        on
            series.rubrique = hebdomadaires.rubrique
            and series.code = hebdomadaires.code
            and semaines.semaine_le = hebdomadaires.semaine_le
),

comparees as (
    select
        presentes.rubrique,
        presentes.code,
        presentes.semaine_le,
        presentes.messages_count,
        presentes.origine,
        max(
            case
                when passees.semaine_le = {{ plus_jours('presentes.semaine_le', -7) }}
                    then passees.messages_count
            end
        ) as avant_count,
        avg(passees.messages_count) as moyenne,
        stddev_samp(passees.messages_count) as ecart_type,
        count(passees.messages_count) as passees_count
    from remplies as presentes
    cross join seuils
    left join remplies as passees
        on
            presentes.rubrique = passees.rubrique
            and presentes.code = passees.code
            and presentes.semaine_le > passees.semaine_le
            and {{ plus_jours('presentes.semaine_le', '-7 * seuils.semaines_reference') }}
            <= passees.semaine_le
    group by
        presentes.rubrique,
        presentes.code,
        presentes.semaine_le,
        presentes.messages_count,
        presentes.origine
),

-- Of one more week, on either side of their mean; never narrower than chance alone makes it.
ecarts as (
    select
        comparees.*,
        seuils.messages_min,
        seuils.semaines,
        comparees.passees_count = seuils.semaines_reference as is_comparable,
        seuils.t_intervalle
        * greatest(comparees.ecart_type, sqrt(comparees.moyenne))
        * sqrt(1 + 1e0 / comparees.passees_count) as ecart
    from comparees
    cross join seuils
),

attendues as (
    select
        *,
        greatest(0, moyenne - ecart) as bas,
        moyenne + ecart as haut
    from ecarts
),

derniere as (
    select max(semaine_le) as semaine_le
    from attendues
)

select
    attendues.semaine_le,
    attendues.rubrique,
    attendues.code,
    coalesce(besoins.besoin_label, sujets.sujet_label, attendues.code) as serie_label,
    cast(attendues.messages_count as bigint) as messages_count,
    cast(attendues.avant_count as bigint) as avant_count,
    case when attendues.is_comparable then attendues.moyenne end as attendu_moyenne,
    case when attendues.is_comparable then attendues.bas end as attendu_bas,
    case when attendues.is_comparable then attendues.haut end as attendu_haut,
    case
        when not attendues.is_comparable then null
        when
            attendues.messages_count > attendues.haut
            and attendues.messages_count >= attendues.messages_min
            then 'hausse'
        when
            attendues.messages_count < attendues.bas
            and attendues.moyenne >= attendues.messages_min
            then 'baisse'
        else 'ordinaire'
    end as mouvement,
    attendues.origine
from attendues
cross join derniere
left join besoins
    on
        attendues.rubrique = 'besoin'
        and attendues.code = besoins.besoin_code
left join sujets
    on
        attendues.rubrique = 'sujet'
        and attendues.code = sujets.sujet
where attendues.semaine_le > {{ plus_jours('derniere.semaine_le', '-7 * attendues.semaines') }}
