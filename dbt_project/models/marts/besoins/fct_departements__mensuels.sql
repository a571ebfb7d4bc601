with mensuels as (
    select * from {{ ref('int_departements__mensuels') }}
)

select
    famille,
    mois,
    departement_code,
    messages_count,
    positifs_count,
    neutres_count,
    negatifs_count,
    repondables_count,
    sans_reponse_count,
    is_masque,
    origine
from mensuels
