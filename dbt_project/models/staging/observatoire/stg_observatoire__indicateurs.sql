with source as (
    select * from {{ source('observatoire', 'indicateurs') }}
)

select
    -- ids
    procedure_id as demarche_id,
    slug as indicateur,
    -- indicateur
    label as indicateur_label,
    value as valeur,
    color as couleur,
    goal_reached = 'true' as is_objectif_atteint,
    -- provenance
    _origine as origine
from source
