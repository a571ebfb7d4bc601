with contacts as (
    select * from {{ ref('int_contacts__publies') }}
)

select
    source,
    categorie,
    motif_parent,
    motif,
    mois,
    contacts_count,
    is_masque,
    origine
from contacts
