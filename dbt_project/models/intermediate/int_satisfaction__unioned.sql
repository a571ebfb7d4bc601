{% set questions = [
    'ressenti', 'accessibilite', 'information', 'relation', 'reactivite', 'simplicite',
] %}

with avis as (
    select * from {{ ref('int_avis__unioned') }}
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
)

select
    source,
    service_label,
    question,
    reponse,
    jour,
    departement_code,
    is_perimetre_gendarmerie,
    count(*) as avis_count,
    origine
from reponses
group by
    source,
    service_label,
    question,
    reponse,
    jour,
    departement_code,
    is_perimetre_gendarmerie,
    origine
