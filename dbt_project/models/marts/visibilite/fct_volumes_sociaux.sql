with volumes as (
    select * from {{ ref('int_volumes_sociaux__unioned') }}
)

select
    plateforme,
    sujet,
    heure_at,
    messages_count,
    origine
from volumes
