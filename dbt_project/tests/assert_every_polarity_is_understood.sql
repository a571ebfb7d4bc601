-- A word received that the vocabulary does not know would otherwise vanish as « no answer ».
{{ config(meta={'dagster': {'ref': {'name': 'fct_avis'}}}) }}

with recus as (
    select * from {{ ref('stg_services_publics_plus__experiences') }}
),

compris as (
    select * from {{ ref('fct_avis') }}
),

comptes as (
    {% for question in [
        'ressenti', 'accessibilite', 'information', 'relation', 'reactivite', 'simplicite',
    ] %}
        select
            '{{ question }}' as question,
            (select count({{ question }}) from recus) as recus_count,
            (select count({{ question }}) from compris) as compris_count
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    question,
    recus_count,
    compris_count
from comptes
where recus_count != compris_count
