with adequation as (
    select * from {{ ref('int_besoins__adequation') }}
)

select
    periode_rang,
    debut_le,
    fin_le,
    besoin_code,
    service_code,
    demande_count,
    demande_positifs_count,
    demande_neutres_count,
    demande_negatifs_count,
    part_demande,
    vues_count,
    part_vues,
    indice_audience,
    usages_count,
    notes_count,
    satisfaits_count,
    part_satisfaits,
    part_satisfaits_bas,
    part_satisfaits_haut,
    commences_count,
    aboutis_count,
    part_aboutis,
    part_aboutis_bas,
    part_aboutis_haut,
    etat,
    etat_besoin,
    raison,
    origine
from adequation
