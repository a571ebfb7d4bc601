with campagnes as (
    select * from {{ ref('int_campagnes__mesurees') }}
),

effets as (
    select * from {{ ref('int_campagnes__effets') }}
),

departements as (
    select * from {{ ref('stg_geographie__departements') }}
),

origines as (
    select
        mesure_id,
        min(origine) as origine
    from {{ ref('int_campagnes__series') }}
    group by mesure_id
),

territoires as (
    select
        campagnes.campagne_id,
        {{ enumeration(
            'departements.departement_label', ', ', 'departements.departement_code'
        ) }}
            as departements_labels
    from campagnes
    inner join departements
        on
            ',' || campagnes.departements || ','
            like '%,' || departements.departement_code || ',%'
    group by campagnes.campagne_id
)

select
    campagnes.campagne_id,
    campagnes.campagne_cle,
    campagnes.debut_le,
    campagnes.fin_le,
    case
        when campagnes.is_terminee then 'terminée'
        when campagnes.is_commencee then 'en cours'
        else 'à venir'
    end as etat_label,
    campagnes.theme,
    campagnes.canal,
    campagnes.departements as departements_codes,
    case
        when campagnes.departements is null then 'Toute la France'
        else coalesce(territoires.departements_labels, campagnes.departements)
    end as territoire_label,
    campagnes.cout_eur,
    campagnes.mesure_id,
    campagnes.mesure_label,
    campagnes.mesure_source,
    campagnes.sens_attendu,
    effets.methode,
    effets.methode_label,
    effets.methode_version,
    effets.pas,
    effets.mesure_debut_le,
    effets.mesure_fin_le,
    effets.is_complete,
    effets.periodes_avant_count,
    effets.cibles_count,
    effets.cibles_ecartees_count,
    effets.temoins_count,
    effets.observe_count,
    cast(round(effets.attendu) as bigint) as attendu_count,
    cast(round(effets.effet) as bigint) as effet_count,
    cast(round(effets.effet_bas) as bigint) as effet_bas_count,
    cast(round(effets.effet_haut) as bigint) as effet_haut_count,
    effets.effet_part,
    effets.effet_part_bas,
    effets.effet_part_haut,
    effets.hasard,
    effets.avant_apres_part,
    effets.pretendance,
    effets.pretendance_hasard,
    effets.essais_dates_count,
    effets.essais_dates_conclus_count,
    effets.essais_lieux_count,
    effets.essais_lieux_conclus_count,
    effets.detectable_part,
    effets.cout_par_effet_eur,
    effets.conclusion,
    effets.conclusion_label,
    effets.phrase,
    least(campagnes.origine, origines.origine) as origine
from campagnes
inner join effets
    on campagnes.campagne_id = effets.campagne_id
left join territoires
    on campagnes.campagne_id = territoires.campagne_id
left join origines
    on campagnes.mesure_id = origines.mesure_id
