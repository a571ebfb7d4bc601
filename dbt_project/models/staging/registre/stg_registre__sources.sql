with source as (
    select * from {{ source('registre', 'sources') }}
)

select
    -- ids
    source,
    -- libellés
    libelle as source_label,
    pilier,
    licence,
    url,
    -- mesures
    fraicheur_max_heures
from source
