with departements as (
    select * from {{ ref('int_besoins__departements') }}
    where besoin_code != 'tous'
)

select
    periode_rang,
    debut_le,
    fin_le,
    famille,
    besoin_code,
    departement_code,
    messages_count,
    positifs_count,
    neutres_count,
    negatifs_count,
    repondables_count,
    sans_reponse_count,
    is_masque,
    population_count,
    taux_pour_100000,
    taux_bas,
    taux_haut,
    taux_national,
    taux_lisse,
    position,
    part_negative,
    part_negative_bas,
    part_negative_haut,
    part_negative_lissee,
    ecart_pour_100000,
    etat_besoin,
    origine
from departements
