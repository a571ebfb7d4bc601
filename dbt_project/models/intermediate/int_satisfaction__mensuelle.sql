-- What the source does not publish row by row.
with satisfaction as (
    select * from {{ ref('int_satisfaction__unioned') }}
    where source = 'jedonnemonavis'
)

select
    source,
    service_label,
    question,
    reponse,
    {{ mois('jour') }} as mois,
    cast(sum(avis_count) as bigint) as avis_count,
    origine
from satisfaction
where {{ est_close(mois('jour')) }}
group by source, service_label, question, reponse, {{ mois('jour') }}, origine
