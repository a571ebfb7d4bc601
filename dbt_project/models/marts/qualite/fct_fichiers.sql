with fichiers as (
    select * from {{ ref('stg_registre__fichiers') }}
)

select
    source,
    empreinte,
    fichier,
    statut,
    motif,
    octets_count,
    lignes_lues_count,
    lignes_retenues_count,
    lignes_ecartees_count,
    avertissements,
    prise_at,
    origine
from fichiers
