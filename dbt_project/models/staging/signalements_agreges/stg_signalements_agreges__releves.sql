with source as (
    select * from {{ source('signalements_agreges', 'releves') }}
)

select
    -- ids
    service,
    grain,
    public,
    lower(menace) as menace_recue,
    nullif(departement, '00') as departement_code,
    -- dates
    cast(
        periode || case grain when 'annee' then '-01-01' when 'mois' then '-01' else '' end as date
    ) as debut_le,
    -- mesures
    nombre as signalements_count,
    consultations as consultations_count,
    -- provenance
    _origine as origine
from source
