with source as (
    select * from {{ source('jedonnemonavis', 'services') }}
)

select
    -- ids
    id as demarche_id,
    title as demarche_label,
    entity as administration_label,
    -- provenance
    _origine as origine
from source
