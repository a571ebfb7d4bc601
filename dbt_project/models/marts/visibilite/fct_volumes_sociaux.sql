{{ config(
    tags=['minute'],
    materialized='incremental',
    unique_key=['plateforme', 'sujet', 'heure_at'],
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
    heure_at,
    messages_count,
    origine
from volumes
