with histoires as (
    select
        *,
        count(*) over (partition by semaine_le) as rumeurs_count
    from {{ ref('int_histoires__montees') }}
),

seuils as (
    {{ seuils('rumeurs', ['par_semaine_max']) }}
)

select
    histoires.semaine_le,
    histoires.rang,
    histoires.rumeurs_count,
    histoires.histoire_id,
    histoires.titre,
    histoires.montee_at,
    histoires.derniere_vue_at,
    histoires.publications_count,
    histoires.reseaux,
    histoires.departements_codes,
    histoires.vitesse_par_heure,
    histoires.doublement_heures,
    histoires.part_copies,
    histoires.part_doute,
    histoires.part_dementi,
    histoires.reponse_officielle_at,
    histoires.reponse_delai_heures,
    histoires.extrait,
    histoires.etat_label,
    histoires.origine
from histoires
cross join seuils
where histoires.rang <= seuils.par_semaine_max
