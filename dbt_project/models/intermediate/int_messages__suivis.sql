-- Each message once, with what is read in it and whether somebody answered. What people wrote on
-- Je donne mon avis is not public: it would count persons in cells that are too small.
with messages as (
    select * from {{ ref('int_messages__unioned') }}
    where source != 'jedonnemonavis'
),

qualifies as (
    select * from {{ ref('int_messages__qualifies') }}
),

avis as (
    select * from {{ ref('int_avis__unioned') }}
),

classes as (
    select distinct message_id
    from {{ ref('int_messages__besoins') }}
    where besoin_code != 'indetermine'
)

select
    messages.message_id,
    messages.source,
    messages.famille,
    messages.jour,
    messages.departement_code,
    messages.geo_precision,
    qualifies.tonalite,
    classes.message_id is not null as is_classe,
    messages.is_perimetre_gendarmerie,
    avis.is_repondu,
    messages.origine
from messages
left join qualifies
    on messages.message_id = qualifies.message_id
left join classes
    on messages.message_id = classes.message_id
left join avis
    on messages.message_id = avis.avis_id
