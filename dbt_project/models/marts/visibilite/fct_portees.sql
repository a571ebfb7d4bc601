with facebook as (
    select * from {{ ref('stg_facebook__comptes') }}
),

instagram as (
    select * from {{ ref('stg_instagram__portees') }}
),

linkedin as (
    select * from {{ ref('stg_linkedin__portees') }}
)

select
    'facebook' as plateforme,
    compte_id,
    jour,
    vues_count,
    personnes_touchees_count,
    interactions_count,
    origine
from facebook
union all
select
    'instagram' as plateforme,
    compte_id,
    jour,
    vues_count,
    personnes_touchees_count,
    interactions_count,
    origine
from instagram
union all
select
    'linkedin' as plateforme,
    compte_id,
    jour,
    vues_count,
    personnes_touchees_count,
    clics_count + appreciations_count + reponses_count + partages_count as interactions_count,
    origine
from linkedin
