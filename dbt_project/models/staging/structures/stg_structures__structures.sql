with source as (
    select * from {{ source('structures', 'structures') }}
)

select
    -- ids
    structure_id,
    parent_id,
    typologie_id,
    identifiant,
    identifiant_type,
    -- libellés
    libelle as structure_label,
    libelle_usager as structure_usager_label,
    reseau,
    typologie,
    parent as parent_label,
    -- lieu
    replace(insee_departement, 'dep', '') as departement_code,
    replace(insee_ville, 'com', '') as commune_code,
    code_postal,
    ville,
    pays,
    -- état
    actif = 'Oui' as is_active,
    -- provenance
    _origine as origine
from source
