-- By month for what is published answer by answer; the rest, by quarter, is in fct_satisfaction.
with publiques as (
    select * from {{ ref('int_satisfaction__unioned') }}
    where source != 'jedonnemonavis'
)

select
    source,
    question,
    reponse,
    {{ mois('jour') }} as mois,
    departement_code,
    is_perimetre_gendarmerie,
    cast(sum(avis_count) as bigint) as avis_count,
    origine
from publiques
group by
    source,
    question,
    reponse,
    {{ mois('jour') }},
    departement_code,
    is_perimetre_gendarmerie,
    origine
