with volumes as (
    select * from {{ ref('int_volumes_sociaux__unioned') }}
)

select
    plateforme,
    sujet,
    jour,
    cast(sum(messages_count) as bigint) as messages_count,
    origine
from volumes
group by plateforme, sujet, jour, origine
