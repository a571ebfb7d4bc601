{{ config(
    tags=['minute'],
    materialized='incremental',
    unique_key=['plateforme', 'sujet', 'heure_at']
) }}

with comptages as (
    -- X counts every post of the hour; elsewhere we count those that we were given to read.
    select
        'x' as plateforme,
        sujet,
        debut_at as heure_at,
        messages_count,
        origine
    from {{ ref('stg_x__volumes') }}
    {% if is_incremental() -%}
        where {{ charge_depuis(3) }} and debut_at >= {{ debut_paris(debut_suivi()) }}
    {%- endif %}
    {% for plateforme in ['mastodon', 'bluesky'] %}
        union all
        select
            '{{ plateforme }}' as plateforme,
            sujet,
            date_trunc('hour', publie_at) as heure_at,
            count(*) as messages_count,
            origine
        from {{ ref('stg_' ~ plateforme ~ '__publications') }}
        {% if is_incremental() -%}
            where {{ charge_depuis(3) }} and publie_at >= {{ debut_paris(debut_suivi()) }}
        {%- endif %}
        group by sujet, heure_at, origine
    {% endfor %}
)

select
    plateforme,
    sujet,
    heure_at,
    {{ jour_paris('heure_at') }} as jour,
    messages_count,
    origine
from comptages
