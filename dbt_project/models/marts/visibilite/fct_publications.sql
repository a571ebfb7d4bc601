{{ config(tags=['minute']) }}

with publications as (
    select * from {{ ref('int_publications__quotidiennes') }}
)

select
    plateforme,
    sujet,
    {{ mois('jour') }} as mois,
    cast(sum(publications_count) as bigint) as publications_count,
    cast(sum(vues_count) as bigint) as vues_count,
    cast(sum(appreciations_count) as bigint) as appreciations_count,
    cast(sum(reponses_count) as bigint) as reponses_count,
    cast(sum(partages_count) as bigint) as partages_count,
    cast(sum(citations_count) as bigint) as citations_count,
    origine
from publications
group by plateforme, sujet, {{ mois('jour') }}, origine
