with source as (
    select * from {{ source('unites', 'unites') }}
)

select
    -- ids
    nullif(identifiant_public_unite, '0') as unite_id,
    code_commune_insee as commune_code,
    departement as departement_code,
    -- unité
    service as unite_label,
    adresse_geographique as adresse,
    code_postal,
    commune as commune_label,
    telephone,
    horaires_accueil,
    url,
    -- lieu
    longitude,
    latitude,
    -- provenance
    _origine as origine
from source
