-- A signal that nothing supports would be an opinion.
with signaux as (
    select * from {{ ref('fct_signaux') }}
),

preuves as (
    select distinct signal_id from {{ ref('fct_signaux_preuves') }}
    where nature != 'explication'
),

ouvertures as (
    select distinct signal_id from {{ ref('fct_signaux__evenements') }}
    where evenement = 'ouvert'
),

courbes as (
    select distinct signal_id from {{ ref('fct_signaux__series') }}
)

select signaux.signal_id
from signaux
left join preuves on signaux.signal_id = preuves.signal_id
left join ouvertures on signaux.signal_id = ouvertures.signal_id
left join courbes on signaux.signal_id = courbes.signal_id
where
    preuves.signal_id is null
    or ouvertures.signal_id is null
    or courbes.signal_id is null
