with source as (
    select * from {{ source('registre', 'purges') }}
)

select
    -- ids
    source,
    table_name,
    colonne,
    -- dates
    avant as purge_avant_le,
    {{ utc('purge_at') }} as purge_at,
    -- mesures
    lignes as lignes_purgees_count
from source
