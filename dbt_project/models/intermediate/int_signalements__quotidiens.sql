with signalements as (
    select * from {{ ref('int_signalements__unioned') }}
)

select
    source,
    menace,
    {{ mois('jour') }} as mois,
    jour,
    cast(sum(signalements_count) as bigint) as signalements_count,
    cast(sum(montant_eur) as double) as montant_eur,
    origine
from signalements
where {{ est_close(mois('jour')) }}
group by source, menace, jour, origine
