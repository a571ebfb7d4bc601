{{ config(
    tags=['minute'],
    materialized='incremental',
    unique_key=['plateforme', 'sujet', 'jour', 'origine']
) }}

with publications as (
    select * from {{ ref('int_publications__unioned') }}
    {% if is_incremental() -%}
        -- Our own posts have no subject, which no key would find again: they wait for a whole run.
        where
            sujet is not null
            and {{ charge_depuis(3) }}
            and publie_at >= {{ debut_paris(debut_suivi()) }}
    {%- endif %}
)

select
    plateforme,
    sujet,
    jour,
    count(*) as publications_count,
    cast(sum(vues_count) as bigint) as vues_count,
    cast(sum(appreciations_count) as bigint) as appreciations_count,
    cast(sum(reponses_count) as bigint) as reponses_count,
    cast(sum(partages_count) as bigint) as partages_count,
    cast(sum(citations_count) as bigint) as citations_count,
    origine
from publications
group by plateforme, sujet, jour, origine
