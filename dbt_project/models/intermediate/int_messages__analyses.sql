with lus as (
    select * from {{ ref('int_messages__lus') }}
)

{{ sans_oublier('lus', ['message_id', 'axe', 'code', 'score', 'methode_version'], 'mots') }}
