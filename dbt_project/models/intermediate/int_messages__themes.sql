{{ config(materialized='view') }}

with analyses as (
    select * from {{ ref('int_messages__analyses') }}
    where axe = 'themes'
)

select
    message_id,
    code as theme_code,
    score,
    mots,
    methode_version
from analyses
