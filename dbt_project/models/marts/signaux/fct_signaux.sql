{{ config(tags=['heure']) }}

with signaux as (
    select * from {{ ref('int_signaux__suivis') }}
),

histoires as (
    select * from {{ ref('int_signaux__histoires') }}
)

select
    signaux.signal_id,
    signaux.titre,
    signaux.question,
    signaux.famille,
    signaux.source,
    signaux.sujet,
    signaux.sujet_label,
    signaux.departement_code,
    signaux.departements_codes,
    signaux.grain,
    signaux.methode_id,
    signaux.methode_version,
    signaux.etat,
    signaux.etat_label,
    signaux.explication,
    signaux.gravite,
    signaux.gravite_label,
    signaux.ouvert_at,
    signaux.pic_at,
    signaux.maj_at,
    signaux.confirme_at,
    signaux.clos_at,
    signaux.observe_count,
    signaux.attendu_count,
    signaux.attendu_bas_count,
    signaux.attendu_haut_count,
    signaux.rapport,
    signaux.chance_fausse_alerte,
    signaux.series_surveillees_count,
    signaux.est_arrondi,
    signaux.constat,
    signaux.certitude,
    signaux.limites,
    signaux.conduite,
    histoires.histoire_id,
    signaux.origine
from signaux
left join histoires on signaux.signal_id = histoires.signal_id
