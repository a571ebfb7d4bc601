with source as (
    select * from {{ source('registre', 'traitements') }}
)

select
    -- ids
    source,
    table_name,
    colonne,
    -- ce que la loi demande de dire
    traitement,
    finalite,
    base_legale,
    personnes,
    destinataires,
    categorie,
    conservation,
    -- mesures
    conservation_jours
from source
