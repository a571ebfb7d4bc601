with source as (
    select * from {{ source('mastodon', 'statuses') }}
)

select
    -- ids
    uri as publication_id,
    sujet,
    -- contenu
    language as langue,
    text as texte,
    -- dates
    {{ utc('created_at') }} as publie_at,
    -- mesures
    replies_count as reponses_count,
    reblogs_count as partages_count,
    favourites_count as appreciations_count,
    quotes_count as citations_count,
    -- provenance
    _origine as origine,
    _dlt_load_id as chargement_id
from source
