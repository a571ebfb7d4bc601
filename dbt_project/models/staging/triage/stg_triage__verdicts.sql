with source as (
    select * from {{ source('triage', 'verdicts') }}
)

select
    -- ids
    signal_id,
    agent as agent_id,
    -- dates
    {{ utc('dit_at') }} as dit_at,
    {{ utc('debut_at') }} as debut_at,
    -- verdict
    replace({{ sans_accents('verdict') }}, ' ', '_') as verdict,
    mot,
    -- provenance
    _origine as origine
from source
