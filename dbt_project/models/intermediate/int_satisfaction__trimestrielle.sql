-- What the source does not publish row by row; by month, half of the cells would be too small.
with satisfaction as (
    select * from {{ ref('int_satisfaction__unioned') }}
    where source = 'jedonnemonavis'
)

select
    source,
    service_label,
    question,
    reponse,
    cast(date_trunc('quarter', jour) as date) as mois,
    cast(sum(avis_count) as bigint) as avis_count,
    origine
from satisfaction
where {{ est_close("date_trunc('quarter', jour)", 'quarter') }}
group by source, service_label, question, reponse, date_trunc('quarter', jour), origine
