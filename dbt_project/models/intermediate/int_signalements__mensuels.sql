with ventiles as (
    select * from {{ ref('int_signalements__ventiles') }}
    where axe = 'departement'
)

select
    source,
    menace,
    mois,
    modalite as departement_code,
    signalements_count,
    origine
from ventiles
where {{ est_close('mois') }}
