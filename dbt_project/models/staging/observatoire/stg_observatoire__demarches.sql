with source as (
    select * from {{ source('observatoire', 'procedures') }}
)

select
    -- ids
    id as demarche_id,
    edition_id,
    jdma_identifier as jdma_id,
    -- démarche
    title as demarche_label,
    ministere,
    administration,
    administration_central as administration_centrale,
    sousorg as sous_organisation,
    coalesce(no_jdma = 'true', false) as is_sans_jdma,
    -- mesures
    volume as volume_annuel,
    -- provenance
    _origine as origine
from source
