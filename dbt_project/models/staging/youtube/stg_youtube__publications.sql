with source as (
    select * from {{ source('youtube', 'videos') }}
)

select
    -- ids
    id as publication_id,
    channel_id as compte_id,
    -- contenu
    language as langue,
    title as texte,
    -- dates
    {{ utc('published_at') }} as publie_at,
    -- mesures
    view_count as vues_count,
    comment_count as reponses_count,
    like_count as appreciations_count,
    -- provenance
    _origine as origine,
    _dlt_load_id as chargement_id
from source
