with contacts as (
    select
        *,
        {{ mois(jour_paris('heure_at')) }} as mois
    from {{ ref('int_contacts__unioned') }}
)

select
    source,
    mois,
    categorie,
    motif_parent,
    motif,
    cast(sum(contacts_count) as bigint) as contacts_count,
    origine
from contacts
where {{ est_close('mois') }}
group by source, mois, categorie, motif_parent, motif, origine
