with ventiles as (
    select * from {{ ref('int_signalements__ventiles') }}
    where axe = 'age'
)

select
    source,
    menace,
    mois,
    modalite as tranche_age,
    signalements_count,
    origine
from ventiles
where {{ est_close('mois') }}
