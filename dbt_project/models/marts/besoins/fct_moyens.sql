with moyens as (
    select * from {{ ref('stg_moyens__moyens') }}
),

departements as (
    select * from {{ ref('stg_geographie__departements') }}
),

communes as (
    select * from {{ ref('stg_geographie__communes') }}
    where commune_type = 'commune-actuelle'
),

competences as (
    select * from {{ ref('stg_competences__competences') }}
),

messages as (
    select * from {{ ref('int_messages__suivis') }}
    where is_perimetre_gendarmerie
),

signalements as (
    select * from {{ ref('int_demandes__mensuelles') }}
    where famille = 'signalements'
),

populations as (
    select
        communes.departement_code,
        cast(sum(communes.population_count) as bigint) as population_count,
        cast(
            sum(case when competences.is_zone_gendarmerie then communes.population_count end)
            as bigint
        ) as population_zone_count
    from communes
    left join competences
        on communes.commune_code = competences.commune_code
    group by communes.departement_code
),

-- A code that is no département is that of means nobody allotted.
recus as (
    select
        departements.departement_code,
        moyens.grain,
        moyens.debut_le,
        cast(sum(moyens.effectif_count) as bigint) as effectif_count,
        cast(sum(moyens.unites_count) as bigint) as unites_count,
        cast(sum(moyens.budget_eur) as double) as budget_eur,
        min(moyens.origine) as origine
    from moyens
    left join departements
        on {{ code_departement('moyens.departement_code') }} = departements.departement_code
    group by departements.departement_code, moyens.grain, moyens.debut_le
),

periodes as (
    select distinct
        grain,
        debut_le,
        case grain
            when 'annee' then {{ plus_mois('debut_le', 12) }}
            else {{ plus_mois('debut_le', 1) }}
        end as fin_exclue_le
    from recus
),

demandes as (
    select
        periodes.grain,
        periodes.debut_le,
        messages.departement_code,
        1 as messages_count,
        case when messages.tonalite = 'negatif' then 1 else 0 end as negatifs_count,
        null as signalements_count,
        false as is_masque,
        messages.jour as premier_jour,
        messages.jour as dernier_jour,
        messages.origine
    from periodes
    inner join messages
        on
            periodes.debut_le <= messages.jour
            and periodes.fin_exclue_le > messages.jour
    union all
    select
        periodes.grain,
        periodes.debut_le,
        signalements.departement_code,
        0 as messages_count,
        0 as negatifs_count,
        signalements.messages_count as signalements_count,
        signalements.is_masque,
        signalements.mois as premier_jour,
        {{ plus_jours(plus_mois('signalements.mois', 1), -1) }} as dernier_jour,
        signalements.origine
    from periodes
    inner join signalements
        on
            periodes.debut_le <= signalements.mois
            and periodes.fin_exclue_le > signalements.mois
),

jours_connus as (
    select
        grain,
        debut_le,
        min(premier_jour) as demande_debut_le,
        max(dernier_jour) as fin_le
    from demandes
    group by grain, debut_le
),

comptes as (
    select
        grain,
        debut_le,
        departement_code,
        cast(sum(messages_count) as bigint) as messages_count,
        cast(sum(negatifs_count) as bigint) as negatifs_count,
        -- All hidden is not none.
        case
            when bool_or(is_masque) then cast(sum(signalements_count) as bigint)
            else coalesce(cast(sum(signalements_count) as bigint), 0)
        end as signalements_count,
        bool_or(is_masque) as is_masque,
        min(origine) as origine
    from demandes
    group by grain, debut_le, departement_code
),

-- What cannot be placed is a line of its own, with or without means that nobody allotted.
lignes as (
    select
        departement_code,
        grain,
        debut_le
    from recus
    union distinct
    select
        null as departement_code,
        grain,
        debut_le
    from periodes
),

croises as (
    select
        lignes.departement_code,
        lignes.grain,
        lignes.debut_le,
        coalesce(jours_connus.demande_debut_le, lignes.debut_le) as demande_debut_le,
        coalesce(jours_connus.fin_le, lignes.debut_le) as fin_le,
        recus.effectif_count,
        recus.unites_count,
        recus.budget_eur,
        populations.population_count,
        populations.population_zone_count,
        coalesce(comptes.messages_count, 0) as messages_count,
        coalesce(comptes.negatifs_count, 0) as negatifs_count,
        case when comptes.grain is null then 0 else comptes.signalements_count end
            as signalements_count,
        coalesce(comptes.messages_count, 0)
        + case when comptes.grain is null then 0 else comptes.signalements_count end
            as demandes_count,
        coalesce(comptes.is_masque, false) as is_masque,
        populations.population_count / 1e5 as habitants,
        cast(recus.effectif_count as double) as agents,
        case
            when 'bac_a_sable' in (recus.origine, comptes.origine) then 'bac_a_sable'
            else coalesce(recus.origine, comptes.origine, 'reel')
        end as origine
    from lignes
    left join recus
        on
            lignes.grain = recus.grain
            and lignes.debut_le = recus.debut_le
            and coalesce(lignes.departement_code, '') = coalesce(recus.departement_code, '')
    left join comptes
        on
            lignes.grain = comptes.grain
            and lignes.debut_le = comptes.debut_le
            and coalesce(lignes.departement_code, '') = coalesce(comptes.departement_code, '')
    left join jours_connus
        on
            lignes.grain = jours_connus.grain
            and lignes.debut_le = jours_connus.debut_le
    left join populations
        on lignes.departement_code = populations.departement_code
),

{% set groupe = 'partition by grain, debut_le' %}
-- Means that nobody allotted serve no département in particular: they have no ratio.
situes as (
    select
        *,
        case when demandes_count is not null then habitants end as exposition,
        case when departement_code is not null and demandes_count is not null then agents end
            as agents_situes
    from croises
),

par_habitant as (
    {{ ratios_lisses('situes', 'taux', 'demandes_count', 'exposition', groupe) }}
),

par_agent as (
    {{ ratios_lisses('par_habitant', 'charge', 'demandes_count', 'agents_situes', groupe) }}
),

seuils as (
    {{ seuils('besoins_taux', ['z_intervalle']) }}
)

select
    par_agent.departement_code,
    par_agent.grain,
    par_agent.debut_le,
    par_agent.demande_debut_le,
    par_agent.fin_le,
    par_agent.effectif_count,
    par_agent.unites_count,
    par_agent.budget_eur,
    par_agent.population_count,
    par_agent.population_zone_count,
    par_agent.messages_count,
    par_agent.signalements_count,
    par_agent.negatifs_count,
    par_agent.demandes_count,
    par_agent.is_masque,
    par_agent.taux as demandes_pour_100000,
    {{ byar_bas('par_agent.demandes_count', 'seuils.z_intervalle') }} / par_agent.exposition
        as demandes_pour_100000_bas,
    {{ byar_haut('par_agent.demandes_count', 'seuils.z_intervalle') }} / par_agent.exposition
        as demandes_pour_100000_haut,
    case when par_agent.exposition > 0 then par_agent.taux_lisse end as demandes_pour_100000_lisse,
    par_agent.charge as demandes_par_agent,
    {{ byar_bas('par_agent.demandes_count', 'seuils.z_intervalle') }} / par_agent.agents_situes
        as demandes_par_agent_bas,
    {{ byar_haut('par_agent.demandes_count', 'seuils.z_intervalle') }} / par_agent.agents_situes
        as demandes_par_agent_haut,
    case when par_agent.agents_situes > 0 then par_agent.charge_lisse end
        as demandes_par_agent_lisse,
    1e0 * par_agent.agents / par_agent.habitants as effectif_pour_100000,
    par_agent.budget_eur / nullif(par_agent.population_count, 0) as budget_par_habitant_eur,
    par_agent.origine
from par_agent
cross join seuils
