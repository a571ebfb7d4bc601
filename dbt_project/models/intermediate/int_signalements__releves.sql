with releves as (
    select * from {{ ref('stg_signalements_agreges__releves') }}
),

menaces as (
    select * from {{ ref('map_signalements_agreges__menaces') }}
),

departements as (
    select * from {{ ref('stg_geographie__departements') }}
)

select
    'signalements_agreges' as source,
    releves.service,
    releves.grain,
    releves.debut_le,
    menaces.menace,
    releves.public,
    departements.departement_code,
    cast(sum(releves.signalements_count) as bigint) as signalements_count,
    cast(sum(releves.consultations_count) as bigint) as consultations_count,
    releves.origine
from releves
left join menaces
    on releves.menace_recue = menaces.menace_recue
left join departements
    on {{ code_departement('releves.departement_code') }} = departements.departement_code
group by
    releves.service,
    releves.grain,
    releves.debut_le,
    menaces.menace,
    releves.public,
    departements.departement_code,
    releves.origine
