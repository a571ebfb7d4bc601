with source as (
    select * from {{ source('jedonnemonavis', 'statistiques') }}
)

select
    -- ids
    product_id as demarche_id,
    product_name as demarche_label,
    form_id as formulaire_id,
    form_name as formulaire_label,
    -- dates
    date as jour,
    -- réponse
    category as question,
    intention,
    label as reponse_label,
    -- mesures
    count as reponses_count,
    -- provenance
    _origine as origine
from source
