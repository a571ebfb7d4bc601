with source as (
    select * from {{ source('geographie', 'regions') }}
)

select
    -- ids
    code as region_code,
    -- libellés
    nom as region_label,
    zone,
    -- provenance
    _origine as origine
from source
