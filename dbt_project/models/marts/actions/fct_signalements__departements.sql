with signalements as (
    select * from {{ ref('int_signalements__publies') }}
)

select
    source,
    menace,
    mois,
    departement_code,
    signalements_count,
    is_masque,
    origine
from signalements
