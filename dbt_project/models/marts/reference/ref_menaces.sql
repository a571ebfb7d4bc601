with menaces as (
    select * from {{ ref('taxo_menaces') }}
)

select
    menace,
    menace_label
from menaces
