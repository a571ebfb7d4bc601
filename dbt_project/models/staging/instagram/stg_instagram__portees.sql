with source as (
    select * from {{ source('instagram', 'insights') }}
)

select
    -- ids
    account_id as compte_id,
    -- dates
    day as jour,
    -- mesures
    views as vues_count,
    reach as personnes_touchees_count,
    accounts_engaged as comptes_actifs_count,
    total_interactions as interactions_count,
    likes as appreciations_count,
    comments as reponses_count,
    shares as partages_count,
    follower_count as nouveaux_abonnes_count,
    -- provenance
    _origine as origine
from source
