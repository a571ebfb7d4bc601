with avis as (
    select * from {{ ref('int_avis__unioned') }}
    -- Its messages are not public: their answers are counted in fct_satisfaction.
    where source != 'jedonnemonavis'
)

select
    source,
    {{ mois('jour') }} as mois,
    structure_id,
    structure_label,
    is_perimetre_gendarmerie,
    count(*) as avis_count,
    count(case when ressenti = 'positif' then 1 end) as positifs_count,
    count(case when ressenti = 'neutre' then 1 end) as neutres_count,
    count(case when ressenti = 'negatif' then 1 end) as negatifs_count,
    count(case when is_repondu then 1 end) as repondus_count,
    origine
from avis
group by
    source, {{ mois('jour') }}, structure_id, structure_label, is_perimetre_gendarmerie, origine
