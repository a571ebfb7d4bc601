with volumes as (
    select * from {{ ref('stg_x__volumes') }}
)

select
    'x' as plateforme,
    sujet,
    debut_at as heure_at,
    {{ jour_paris('debut_at') }} as jour,
    messages_count,
    origine
from volumes
