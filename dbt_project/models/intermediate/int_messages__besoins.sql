with messages as (
    select * from {{ ref('int_messages__unioned') }}
)

select
    message_id,
    cast(null as varchar) as besoin_code,
    cast(null as double) as score,
    cast(null as varchar) as mots,
    cast(null as varchar) as methode_version
from messages
where false
