with avis as (
    select * from {{ ref('int_avis__unioned') }}
    -- Its messages are not public: their answers are counted in fct_satisfaction.
    where source != 'jedonnemonavis'
)

select
    source,
    {{ mois('jour') }} as mois,
    departement_code,
    is_perimetre_gendarmerie,
    count(*) as avis_count,
    count(case when ressenti = 'positif' then 1 end) as positifs_count,
    count(case when ressenti = 'neutre' then 1 end) as neutres_count,
    count(case when ressenti = 'negatif' then 1 end) as negatifs_count,
    count(case when is_repondu then 1 end) as repondus_count,
    count(delai_reponse_jours) as delais_count,
    cast(sum(delai_reponse_jours) as bigint) as delais_jours,
    origine
from avis
group by source, {{ mois('jour') }}, departement_code, is_perimetre_gendarmerie, origine
