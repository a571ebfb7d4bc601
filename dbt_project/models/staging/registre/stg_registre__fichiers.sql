with source as (
    select * from {{ source('registre', 'fichiers') }}
)

select
    -- ids
    source,
    empreinte,
    fichier,
    -- dates
    {{ utc('prise_at') }} as prise_at,
    -- état
    statut,
    motif,
    avertissements,
    -- mesures
    octets as octets_count,
    lignes_lues as lignes_lues_count,
    lignes_retenues as lignes_retenues_count,
    lignes_ecartees as lignes_ecartees_count,
    -- provenance
    origine
from source
