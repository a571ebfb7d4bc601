with source as (
    select * from {{ source('registre', 'prises') }}
)

select
    -- ids
    prise_id,
    source,
    -- dates
    {{ utc('debut_at') }} as debut_at,
    -- état
    origine,
    statut,
    message,
    curseur_de,
    curseur_a,
    -- mesures
    secondes,
    lignes_lues as lignes_lues_count,
    lignes_nouvelles as lignes_nouvelles_count,
    lignes_modifiees as lignes_modifiees_count,
    lignes_ecartees as lignes_ecartees_count,
    fichiers_pris as fichiers_pris_count,
    fichiers_refuses as fichiers_refuses_count
from source
