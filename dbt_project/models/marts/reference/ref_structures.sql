with structures as (
    select * from {{ ref('int_structures__localisees') }}
)

select
    structure_id,
    structure_label,
    reseau,
    typologie,
    parent_id,
    departement_code,
    commune_code,
    code_postal,
    ville,
    is_active,
    is_gendarmerie,
    origine
from structures
