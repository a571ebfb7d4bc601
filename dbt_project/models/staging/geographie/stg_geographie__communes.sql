with source as (
    select * from {{ source('geographie', 'communes') }}
)

select
    -- ids
    code as commune_code,
    departement as departement_code,
    region as region_code,
    -- libellés
    nom as commune_label,
    type as commune_type,
    codes_postaux as codes_postaux_json,
    -- mesures
    population as population_count,
    -- provenance
    _origine as origine
from source
