{% set mesures = ['vues', 'usages', 'notes', 'satisfaits', 'commences', 'aboutis'] %}

-- The published rule of the states, from its numbers; its thresholds are those of `ref_methodes`.
with periodes as (
    select * from {{ ref('int_periodes__glissantes') }}
),

seuils as (
    {{ seuils('adequation', [
        'demande_min', 'demande_part_min', 'notes_min', 'satisfaction_min', 'aboutis_min',
        'audience_indice_min',
    ]) }}
),

intervalles as (
    {{ seuils('besoins_taux', ['z_intervalle']) }}
),

besoins as (
    select * from {{ ref('taxo_besoins') }}
),

reponses as (
    select * from {{ ref('map_services__besoins') }}
),

-- A service that answers a need answers a part of the wider one.
offre as (
    select
        service_code,
        besoin_code
    from reponses
    union distinct
    select
        reponses.service_code,
        besoins.besoin_parent_code as besoin_code
    from reponses
    inner join besoins
        on reponses.besoin_code = besoins.besoin_code
    where besoins.besoin_parent_code is not null
),

services as (
    select * from {{ ref('int_services__mesures') }}
),

mensuelles as (
    select * from {{ ref('int_demandes__mensuelles') }}
),

-- A report through a service is its use; a demand is what people say or ask.
demandes as (
    select
        periodes.periode_rang,
        mensuelles.besoin_code,
        cast(sum(mensuelles.messages_count) as bigint) as demande_count,
        cast(sum(mensuelles.positifs_count) as bigint) as demande_positifs_count,
        cast(sum(mensuelles.neutres_count) as bigint) as demande_neutres_count,
        cast(sum(mensuelles.negatifs_count) as bigint) as demande_negatifs_count,
        min(mensuelles.origine) as origine
    from periodes
    inner join mensuelles
        on mensuelles.mois between periodes.debut_le and periodes.fin_le
    where mensuelles.famille != 'signalements' and mensuelles.besoin_code != 'indetermine'
    group by periodes.periode_rang, mensuelles.besoin_code
),

demandes_totales as (
    select
        periode_rang,
        sum(demande_count) as total_count
    from demandes
    group by periode_rang
),

-- What all the needs of a service ask of it, against what all the services seen are asked.
services_vus as (
    select
        services.periode_rang,
        services.service_code,
        services.vues_count,
        sum(demandes.demande_count) as demande_count
    from services
    inner join offre
        on services.service_code = offre.service_code
    inner join demandes
        on
            services.periode_rang = demandes.periode_rang
            and offre.besoin_code = demandes.besoin_code
    where services.vues_count is not null
    group by services.periode_rang, services.service_code, services.vues_count
),

audiences as (
    select
        periode_rang,
        service_code,
        1e0 * vues_count / nullif(sum(vues_count) over (partition by periode_rang), 0)
            as part_vues,
        1e0 * demande_count / nullif(sum(demande_count) over (partition by periode_rang), 0)
            as part_demande
    from services_vus
),

croises as (
    select
        periodes.periode_rang,
        periodes.debut_le,
        periodes.fin_le,
        besoins.besoin_code,
        offre.service_code,
        coalesce(demandes.demande_count, 0) as demande_count,
        demandes.demande_positifs_count,
        demandes.demande_neutres_count,
        demandes.demande_negatifs_count,
        1e0 * coalesce(demandes.demande_count, 0) / nullif(demandes_totales.total_count, 0)
            as part_demande,
        {% for mesure in mesures %}
            services.{{ mesure }}_count,
        {% endfor %}
        audiences.part_vues,
        audiences.part_vues / nullif(audiences.part_demande, 0) as indice_audience,
        {% for part, total in [('satisfaits', 'notes'), ('aboutis', 'commences')] %}
            {% set compte, sur = 'services.' ~ part ~ '_count', 'services.' ~ total ~ '_count' %}
            1e0 * {{ compte }} / nullif({{ sur }}, 0) as part_{{ part }},
            {{ wilson_bas(compte, sur, 'intervalles.z_intervalle') }} as part_{{ part }}_bas,
            {{ wilson_haut(compte, sur, 'intervalles.z_intervalle') }} as part_{{ part }}_haut,
        {% endfor %}
        case
            when 'bac_a_sable' in (demandes.origine, services.origine) then 'bac_a_sable'
            else coalesce(demandes.origine, services.origine)
        end as origine
    from periodes
    cross join besoins
    cross join intervalles
    left join offre
        on besoins.besoin_code = offre.besoin_code
    left join demandes
        on
            periodes.periode_rang = demandes.periode_rang
            and besoins.besoin_code = demandes.besoin_code
    left join demandes_totales
        on periodes.periode_rang = demandes_totales.periode_rang
    left join services
        on
            periodes.periode_rang = services.periode_rang
            and offre.service_code = services.service_code
    left join audiences
        on
            periodes.periode_rang = audiences.periode_rang
            and offre.service_code = audiences.service_code
    -- A wider need is there when people say no more than it.
    where besoins.besoin_parent_code is not null or demandes.demande_count is not null
),

juges as (
    select
        croises.*,
        seuils.demande_min,
        case
            when
                croises.demande_count < seuils.demande_min
                or croises.part_demande < seuils.demande_part_min
                then 'peu_demande'
            when croises.service_code is null then 'absent'
            when
                (
                    croises.notes_count >= seuils.notes_min
                    and croises.part_satisfaits_haut < seuils.satisfaction_min
                )
                or (
                    croises.commences_count >= seuils.notes_min
                    and croises.part_aboutis_haut < seuils.aboutis_min
                )
                then 'insuffisant'
            when croises.indice_audience < seuils.audience_indice_min then 'meconnu'
            else 'repond'
        end as etat
    from croises
    cross join seuils
)

select
    *,
    -- The best of its answers: one that works is an answer.
    case min(
        case etat
            when 'repond' then 1
            when 'meconnu' then 2
            when 'insuffisant' then 3
            when 'absent' then 4
            when 'peu_demande' then 5
        end
    ) over (partition by periode_rang, besoin_code)
        when 1 then 'repond'
        when 2 then 'meconnu'
        when 3 then 'insuffisant'
        when 4 then 'absent'
        when 5 then 'peu_demande'
    end as etat_besoin,
    concat(
        case
            when demande_count < demande_min
                then 'moins de ' || cast(cast(demande_min as integer) as string) || ' messages'
            else concat(
                cast(demande_count as string), ' messages (',
                {{ pourcent('part_demande') }}, ' % des besoins exprimés)'
            )
        end,
        case
            when service_code is null then ', aucun service'
            else concat(
                coalesce(
                    ', ' || {{ pourcent('part_satisfaits') }} || ' % de satisfaits ('
                    || {{ pourcent('part_satisfaits_bas') }} || ' à '
                    || {{ pourcent('part_satisfaits_haut') }} || ' %, '
                    || cast(notes_count as string) || ' réponses)',
                    ', satisfaction non mesurée'
                ),
                coalesce(
                    ', audience à ' || {{ pourcent('indice_audience') }} || ' % de la demande',
                    ', audience non mesurée'
                )
            )
        end
    ) as raison
from juges
