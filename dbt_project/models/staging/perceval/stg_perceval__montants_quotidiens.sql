with source as (
    select * from {{ source('perceval', 'amount_of_money_day') }}
)

select
    -- dates
    day as jour,
    -- mesures
    amount as montant_eur,
    -- provenance
    _origine as origine
from source
