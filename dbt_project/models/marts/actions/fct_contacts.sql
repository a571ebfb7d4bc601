with contacts as (
    select * from {{ ref('int_contacts__unioned') }}
)

select
    source,
    categorie,
    motif_parent,
    motif,
    heure_at,
    {{ jour_paris('heure_at') }} as jour,
    {{ heure_paris('heure_at') }} as heure,
    contacts_count,
    origine
from contacts
