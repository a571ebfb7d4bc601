with source as (
    select * from {{ source('geographie', 'departements') }}
)

select
    -- ids
    code as departement_code,
    region as region_code,
    -- libellés
    nom as departement_label,
    zone,
    -- provenance
    _origine as origine
from source
