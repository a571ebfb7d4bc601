with source as (
    select * from {{ source('facebook', 'posts') }}
)

select
    -- ids
    id as publication_id,
    page_id as compte_id,
    permalink_url as url,
    -- dates
    {{ utc('created_at') }} as publie_at,
    -- texte
    message as texte,
    -- mesures
    shares_count as partages_count,
    comments_count as reponses_count,
    reactions_count,
    -- provenance
    _origine as origine,
    _dlt_load_id as chargement_id
from source
