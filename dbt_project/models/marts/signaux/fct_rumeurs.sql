with histoires as (
    select * from {{ ref('int_histoires__montees') }}
)

select
    histoire_id,
    titre,
    premiere_vue_at,
    montee_at,
    derniere_vue_at,
    publications_count,
    auteurs_count,
    reseaux,
    departements_codes,
    mots,
    vitesse_par_heure,
    doublement_heures,
    portee_count,
    part_copies,
    part_doute,
    part_dementi,
    reponse_officielle_at,
    reponse_delai_heures,
    extrait,
    etat_label,
    origine
from histoires
