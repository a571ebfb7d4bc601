with services as (
    select * from {{ ref('ref_services_offerts') }}
)

select
    service_code,
    service_label,
    canal,
    url,
    territoire,
    horaires,
    exploitant
from services
