with source as (
    select * from {{ source('x', 'tweets') }}
)

select
    -- ids
    id as publication_id,
    sujet,
    -- contenu
    lang as langue,
    text as texte,
    -- dates
    {{ utc('created_at') }} as publie_at,
    -- mesures
    impression_count as vues_count,
    reply_count as reponses_count,
    repost_count as partages_count,
    like_count as appreciations_count,
    quote_count as citations_count,
    bookmark_count as signets_count,
    -- provenance
    _origine as origine,
    _dlt_load_id as chargement_id
from source
