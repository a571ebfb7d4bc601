with messages as (
    select * from {{ ref('int_messages__unioned') }}
)

select
    message_id,
    cast(null as varchar) as tonalite,
    cast(null as double) as tonalite_score,
    cast(null as varchar) as methode_version
from messages
where false
