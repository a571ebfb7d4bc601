with contacts as (
    select * from {{ ref('stg_ma_gendarmerie__contacts') }}
),

categories as (
    select * from {{ ref('map_ma_gendarmerie__categories') }}
),

recus as (
    select
        'ma_gendarmerie' as source,
        coalesce(categories.categorie, 'non_classe') as categorie,
        contacts.motif_parent,
        contacts.motif,
        cast(date_trunc('hour', contacts.contact_at) as timestamp) as heure_at,
        contacts.origine
    from contacts
    left join categories
        on
            lower(contacts.motif_parent) = lower(categories.motif_parent)
            and lower(contacts.motif) = lower(categories.motif)
)

select
    source,
    categorie,
    motif_parent,
    motif,
    heure_at,
    count(*) as contacts_count,
    origine
from recus
group by source, categorie, motif_parent, motif, heure_at, origine
