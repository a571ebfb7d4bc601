with sujets as (
    select * from {{ ref('taxo_sujets') }}
)

select
    sujet,
    sujet_label
from sujets
