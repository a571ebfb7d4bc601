with declarations as (
    select * from {{ ref('int_pre_plaintes__publiees') }}
)

select
    source,
    menace,
    mois,
    type_personne,
    is_terminee,
    declarations_count,
    duree_secondes,
    duree_mediane_secondes,
    is_masque,
    origine
from declarations
