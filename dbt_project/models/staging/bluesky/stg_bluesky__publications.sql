with source as (
    select * from {{ source('bluesky', 'posts') }}
)

select
    -- ids
    uri as publication_id,
    sujet,
    -- contenu
    langs as langue,
    text as texte,
    -- dates
    {{ utc('indexed_at') }} as publie_at,
    created_at as heure_declaree,
    -- mesures
    reply_count as reponses_count,
    repost_count as partages_count,
    like_count as appreciations_count,
    quote_count as citations_count,
    bookmark_count as signets_count,
    -- provenance
    _origine as origine,
    _dlt_load_id as chargement_id
from source
