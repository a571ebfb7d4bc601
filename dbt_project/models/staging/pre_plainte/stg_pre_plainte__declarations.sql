with source as (
    select * from {{ source('pre_plainte', 'declarations') }}
)

select
    -- ids
    stats_id as declaration_id,
    stats_dpt_unite as departement_code,
    -- dates
    {{ utc('stats_debut_declaration') }} as debut_at,
    {{ utc('stats_fin_declaration') }} as fin_at,
    -- drapeaux
    coalesce(stats_pers_physique = 1, false) as is_personne_physique,
    coalesce(stats_pers_morale = 1, false) as is_personne_morale,
    -- provenance
    _origine as origine
from source
