with traitements as (
    select * from {{ ref('stg_registre__traitements') }}
),

-- How many rows left would be a small count of persons: the day is enough.
purges as (
    select
        source,
        table_name,
        max(purge_at) as derniere_purge_at
    from {{ ref('stg_registre__purges') }}
    group by source, table_name
)

select
    traitements.source,
    traitements.table_name,
    traitements.colonne,
    traitements.traitement,
    traitements.finalite,
    traitements.base_legale,
    traitements.personnes,
    traitements.destinataires,
    traitements.categorie,
    traitements.conservation,
    traitements.conservation_jours,
    purges.derniere_purge_at
from traitements
left join purges
    on
        traitements.source = purges.source
        and traitements.table_name = purges.table_name
