with source as (
    select * from {{ source('campagnes', 'campagnes') }}
)

select
    -- ids
    campagne_id,
    nullif({{ remplacer('departements', '[ ,]+', ',') }}, '00') as departements,
    -- dates
    debut as debut_le,
    fin as fin_le,
    -- campagne
    theme,
    canal,
    -- mesures
    cout_eur,
    -- provenance
    _origine as origine
from source
