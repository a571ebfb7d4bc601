with verdicts as (
    select * from {{ ref('stg_triage__verdicts') }}
),

signaux as (
    select * from {{ ref('int_signaux__suivis') }}
)

select
    verdicts.signal_id,
    verdicts.dit_at,
    verdicts.origine
from verdicts
left join signaux
    on verdicts.signal_id = signaux.signal_id
where signaux.signal_id is null
