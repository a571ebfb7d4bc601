with x as (
    select * from {{ ref('stg_x__publications') }}
)

select
    'x' as plateforme,
    publication_id,
    sujet,
    cast(null as varchar) as compte_id,
    publie_at,
    {{ jour_paris('publie_at') }} as jour,
    langue,
    texte,
    vues_count,
    reponses_count,
    partages_count,
    appreciations_count,
    citations_count,
    origine
from x
