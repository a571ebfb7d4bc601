{{ config(materialized='view') }}

-- Of the messages that may be counted one by one: see int_messages__suivis.
with messages as (
    select * from {{ ref('int_messages__suivis') }}
    where is_perimetre_gendarmerie
),

besoins as (
    select * from {{ ref('int_messages__besoins') }}
)

select
    messages.message_id,
    besoins.besoin_code,
    messages.source,
    messages.famille,
    messages.jour,
    messages.departement_code,
    messages.geo_precision,
    messages.tonalite,
    messages.is_repondu,
    messages.origine
from messages
inner join besoins
    on messages.message_id = besoins.message_id
