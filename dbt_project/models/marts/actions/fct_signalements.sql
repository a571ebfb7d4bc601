with signalements as (
    select * from {{ ref('int_signalements__unioned') }}
)

select
    source,
    menace,
    jour,
    cast(sum(signalements_count) as bigint) as signalements_count,
    cast(sum(montant_eur) as double) as montant_eur,
    origine
from signalements
group by source, menace, jour, origine
