with source as (
    select * from {{ source('competences', 'competences') }}
)

select
    -- ids
    code_commune as commune_code,
    id_service as service_id,
    -- compétence
    libelle_commune as commune_label,
    service as service_label,
    institution = 'GN' as is_zone_gendarmerie,
    replace(codes_postaux, '-', ',') as codes_postaux,
    -- provenance
    _origine as origine
from source
