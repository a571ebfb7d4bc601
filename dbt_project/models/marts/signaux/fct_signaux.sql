{{ config(tags=['heure']) }}

with signaux as (
    select * from {{ ref('int_signaux__suivis') }}
),

histoires as (
    select * from {{ ref('int_signaux__histoires') }}
),

seuils as (
    {{ seuils('signaux', ['page_jours', 'pages_max']) }}
),

rangs as (
    select
        signal_id,
        max(maj_at) over () as maintenant_at,
        row_number() over (
            order by clos_at is not null asc, ouvert_at desc, signal_id asc
        ) as rang
    from signaux
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
    signaux.attendu_label,
    signaux.intervalle_label,
    signaux.rapport,
    signaux.chance_fausse_alerte,
    signaux.series_surveillees_count,
    signaux.est_arrondi,
    signaux.constat,
    signaux.certitude,
    signaux.limites,
    signaux.conduite,
    histoires.histoire_id,
    rangs.rang <= seuils.pages_max
    and (
        signaux.clos_at is null
        or signaux.clos_at >= rangs.maintenant_at - interval '1 day' * seuils.page_jours
    ) as has_page,
    signaux.origine
from signaux
inner join rangs on signaux.signal_id = rangs.signal_id
cross join seuils
left join histoires on signaux.signal_id = histoires.signal_id
