with signaux as (
    select
        signal_id,
        {{ deplier('preuves') }}
    from {{ ref('int_signaux__suivis') }}
)

select
    signal_id,
    rang,
    nature,
    source,
    sujet,
    departement_code,
    periode_at,
    observe_count,
    attendu_count,
    attendu_bas_count,
    attendu_haut_count,
    chance,
    texte,
    cast(null as varchar) as lien
from signaux
