{{ config(materialized='view') }}

with analyses as (
    select * from {{ ref('int_messages__analyses') }}
    where axe = 'tonalite'
)

select
    message_id,
    code as tonalite,
    score as tonalite_score,
    mots,
    methode_version
from analyses
