with source as (
    select * from {{ source('quarantaine', 'lignes') }}
)

select
    -- ids
    source,
    table_name,
    fichier,
    ligne as ligne_numero,
    colonne,
    -- dates
    {{ utc('prise_at') }} as prise_at,
    -- motif
    classe_valeur,
    motif,
    -- provenance
    origine
from source
