with signalements as (
    select * from {{ ref('int_signalements__unioned') }}
)

select
    source,
    menace,
    jour,
    signalements_count,
    montant_eur,
    origine
from signalements
