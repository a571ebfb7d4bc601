-- What each source publishes answer by answer.
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
from {{ ref('int_satisfaction__unioned') }}
where source != 'jedonnemonavis'
