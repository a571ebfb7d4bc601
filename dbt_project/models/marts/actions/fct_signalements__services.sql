with releves as (
    select * from {{ ref('int_signalements__releves') }}
)

select
    source,
    service,
    grain,
    debut_le,
    menace,
    public,
    departement_code,
    signalements_count,
    consultations_count,
    origine
from releves
