with satisfaction as (
    select * from {{ ref('int_satisfaction__unioned') }}
)

select
    source,
    service_label,
    question,
    reponse,
    jour,
    departement_code,
    is_perimetre_gendarmerie,
    avis_count,
    origine
from satisfaction
