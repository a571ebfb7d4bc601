-- A quantile does not add up, the numbers of each delay do.
with avis as (
    select * from {{ ref('int_avis__unioned') }}
    -- Its messages are not public: their answers are counted in fct_satisfaction.
    where source != 'jedonnemonavis' and delai_reponse_jours is not null
)

select
    source,
    {{ mois('jour') }} as mois,
    is_perimetre_gendarmerie,
    delai_reponse_jours,
    count(*) as avis_count,
    origine
from avis
group by source, {{ mois('jour') }}, is_perimetre_gendarmerie, delai_reponse_jours, origine
