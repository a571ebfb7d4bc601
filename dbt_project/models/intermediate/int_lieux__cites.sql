with lus as (
    select * from {{ ref('int_lieux__lus') }}
)

{{ sans_oublier(
    'lus', ['message_id', 'departement_code', 'confiance', 'methode_version'], 'lieux'
) }}
