with avis as (
    select * from {{ ref('int_avis__unioned') }}
    -- Its messages are not public: their answers are counted in fct_satisfaction.
    where source != 'jedonnemonavis'
)

select
    avis_id,
    source,
    publie_at,
    jour,
    {{ mois('jour') }} as mois,
    service_label,
    structure_id,
    structure_label,
    canaux,
    poste_comme,
    ressenti,
    accessibilite,
    information,
    relation,
    reactivite,
    simplicite,
    is_perimetre_gendarmerie,
    is_repondu,
    delai_reponse_jours,
    departement_code,
    geo_precision,
    pays,
    origine
from avis
