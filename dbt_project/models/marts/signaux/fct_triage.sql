{% set bornes = [
    'comptes.vrais_count', '(comptes.vrais_count + comptes.faux_count)', 'methode.z_intervalle'
] %}

with signaux as (
    select * from {{ ref('int_signaux__suivis') }}
),

juges as (
    select * from {{ ref('int_triage__juges') }}
),

propositions as (
    select * from {{ ref('int_triage__seuils') }}
),

methode as (
    {{ seuils('triage', ['z_intervalle']) }}
),

comptes as (
    select
        signaux.methode_id,
        signaux.sujet,
        signaux.source,
        count(*) as signaux_count,
        count(case when juges.verdict = 'vrai' then 1 end) as vrais_count,
        count(case when juges.verdict = 'faux' then 1 end) as faux_count,
        count(case when juges.verdict = 'doublon' then 1 end) as doublons_count,
        count(case when juges.verdict = 'a_suivre' then 1 end) as suivis_count,
        percentile_cont(0.5) within group (
            order by case when juges.verdict = 'vrai' then juges.detection_heures end
        ) as delai_detection_heures,
        percentile_cont(0.5) within group (order by juges.jugement_heures)
            as delai_jugement_heures,
        min(signaux.origine) as origine
    from signaux
    left join juges
        on signaux.signal_id = juges.signal_id
    group by signaux.methode_id, signaux.sujet, signaux.source
)

select
    comptes.methode_id,
    comptes.sujet,
    comptes.source,
    comptes.signaux_count,
    comptes.vrais_count,
    comptes.faux_count,
    comptes.doublons_count,
    comptes.suivis_count,
    {{ wilson_bas(*bornes) }} as precision_bas,
    {{ wilson_haut(*bornes) }} as precision_haut,
    comptes.delai_detection_heures,
    comptes.delai_jugement_heures,
    propositions.seuil_propose,
    case
        when propositions.decision is null then 'Aucun verdict sur cette méthode.'
        when propositions.is_trop_peu
            then
                'Garder : ' || propositions.juges_count || ' verdicts sur les '
                || propositions.juges_min || ' qu''il faut.'
        when propositions.decision = 'garder' then 'Garder : la précision visée est tenue.'
        when propositions.decision = 'revoir'
            then 'Revoir la méthode : aucun seuil ne tient la précision visée.'
        else
            'Resserrer : une chance de fausse alerte d''au plus 1 sur '
            || cast(round(1 / propositions.seuil_propose) as bigint) || '.'
    end as proposition,
    comptes.origine
from comptes
left join propositions
    on comptes.methode_id = propositions.methode_id
cross join methode
