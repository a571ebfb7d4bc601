-- A word received that the vocabulary does not know would otherwise vanish as « no answer ».
{{ config(meta={'dagster': {'ref': {'name': 'int_avis__unioned'}}}) }}

{% set questions = {
    'services_publics_plus': [
        'ressenti', 'accessibilite', 'information', 'relation', 'reactivite', 'simplicite',
    ],
    'jedonnemonavis': ['ressenti', 'information'],
    'avis_google': ['ressenti'],
} %}

with services_publics_plus as (
    select * from {{ ref('stg_services_publics_plus__experiences') }}
),

avis_google as (
    select note as ressenti
    from {{ ref('stg_avis_google__avis') }}
    where coalesce(etat, '') != 'deleted' and retire_at is null
),

jedonnemonavis as (
    select
        satisfaction as ressenti,
        comprehension as information
    from {{ ref('stg_jedonnemonavis__avis') }}
),

compris as (
    select * from {{ ref('int_avis__unioned') }}
),

comptes as (
    {% for source, asked in questions.items() %}
        {% set last_source = loop.last %}
        {% for question in asked %}
            select
                '{{ source }}' as source,
                '{{ question }}' as question,
                (select count({{ question }}) from {{ source }}) as recus_count,
                (
                    select count({{ question }})
                    from compris
                    where source = '{{ source }}'
                ) as compris_count
            {% if not (loop.last and last_source) %}union all{% endif %}
        {% endfor %}
    {% endfor %}
)

select
    source,
    question,
    recus_count,
    compris_count
from comptes
where recus_count != compris_count
