{{ config(materialized='view') }}

with analyses as (
    select * from {{ ref('int_messages__analyses') }}
    where axe = 'besoins'
)

select
    message_id,
    code as besoin_code,
    score,
    mots,
    methode_version
from analyses
