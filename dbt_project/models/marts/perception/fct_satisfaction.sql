-- Day by day what its source publishes answer by answer, by quarter what it keeps to itself.
with publiques as (
    select * from {{ ref('int_satisfaction__unioned') }}
    where source != 'jedonnemonavis'
),

trimestrielles as (
    select * from {{ ref('int_satisfaction__publies') }}
)

select
    source,
    service_label,
    question,
    reponse,
    {{ mois('jour') }} as mois,
    jour,
    departement_code,
    is_perimetre_gendarmerie,
    avis_count,
    false as is_masque,
    origine
from publiques
union all
select
    source,
    service_label,
    question,
    reponse,
    mois,
    null as jour,
    null as departement_code,
    true as is_perimetre_gendarmerie,
    avis_count,
    is_masque,
    origine
from trimestrielles
