{{ config(tags=['heure']) }}

with signaux as (
    select
        signal_id,
        {{ deplier('evenements') }}
    from {{ ref('int_signaux__suivis') }}
)

select
    signal_id,
    evenement,
    evenement_at,
    gravite,
    etat,
    phrase
from signaux
