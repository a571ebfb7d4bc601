{% set questions = [
    'ressenti', 'accessibilite', 'information', 'relation', 'reactivite', 'simplicite',
] %}

with avis as (
    select * from {{ ref('int_avis__unioned') }}
    -- Its statistics count the same answers, and those of the avis that nobody exported.
    where source != 'jedonnemonavis'
),

statistiques as (
    select * from {{ ref('stg_jedonnemonavis__reponses') }}
    -- Which help was sought says nothing of how satisfied people are.
    where question != 'contact_tried'
),

reponses as (
    {% for question in questions %}
        select
            source,
            service_label,
            '{{ question }}' as question,
            {{ question }} as reponse,
            jour,
            departement_code,
            is_perimetre_gendarmerie,
            origine
        from avis
        where {{ question }} is not null
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

comptes as (
    select
        source,
        service_label,
        question,
        reponse,
        jour,
        departement_code,
        is_perimetre_gendarmerie,
        1 as avis_count,
        origine
    from reponses
    union all
    select
        'jedonnemonavis' as source,
        demarche_label as service_label,
        case question
            when 'satisfaction' then 'ressenti'
            when 'comprehension' then 'information'
            when 'contact_reached' then 'joignabilite'
            when 'contact_satisfaction' then 'aide'
        end as question,
        {{ polarite('intention') }} as reponse,
        jour,
        null as departement_code,
        true as is_perimetre_gendarmerie,
        reponses_count as avis_count,
        origine
    from statistiques
)

select
    source,
    service_label,
    question,
    reponse,
    jour,
    departement_code,
    is_perimetre_gendarmerie,
    cast(sum(avis_count) as bigint) as avis_count,
    origine
from comptes
group by
    source,
    service_label,
    question,
    reponse,
    jour,
    departement_code,
    is_perimetre_gendarmerie,
    origine
