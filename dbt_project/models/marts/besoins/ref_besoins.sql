with besoins as (
    select * from {{ ref('taxo_besoins') }}
)

select
    besoins.besoin_code,
    besoins.besoin_label,
    besoins.besoin_parent_code,
    parents.besoin_label as besoin_parent_label,
    besoins.definition
from besoins
left join besoins as parents
    on besoins.besoin_parent_code = parents.besoin_code
