with contacts as (
    select
        *,
        {{ jour_paris('heure_at') }} as jour
    from {{ ref('int_contacts__unioned') }}
)

select
    source,
    {{ mois('jour') }} as mois,
    jour,
    cast(sum(contacts_count) as bigint) as contacts_count,
    origine
from contacts
where {{ est_close(mois('jour')) }}
group by source, jour, origine
