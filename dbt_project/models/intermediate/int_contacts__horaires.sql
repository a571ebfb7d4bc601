with contacts as (
    select
        *,
        {{ mois(jour_paris('heure_at')) }} as mois,
        {{ heure_paris('heure_at') }} as heure
    from {{ ref('int_contacts__unioned') }}
)

select
    source,
    mois,
    heure,
    cast(sum(contacts_count) as bigint) as contacts_count,
    origine
from contacts
where {{ est_close('mois') }}
group by source, mois, heure, origine
