{{ config(
    tags=['minute'],
    materialized='incremental',
    unique_key=['plateforme', 'sujet', 'jour'],
    on_schema_change='fail'
) }}

with volumes as (
    select * from {{ ref('int_volumes_sociaux__unioned') }}
    {% if is_incremental() -%}
        where jour >= {{ debut_suivi() }}
    {%- endif %}
)

select
    plateforme,
    sujet,
    jour,
    cast(sum(messages_count) as bigint) as messages_count,
    origine
from volumes
group by plateforme, sujet, jour, origine
