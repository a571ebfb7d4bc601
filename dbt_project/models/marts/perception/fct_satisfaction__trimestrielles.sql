with trimestrielles as (
    select * from {{ ref('int_satisfaction__publies') }}
)

select
    source,
    service_label,
    question,
    reponse,
    mois as trimestre,
    avis_count,
    is_masque,
    origine
from trimestrielles
