with lignes as (
    select * from {{ ref('stg_quarantaine__lignes') }}
),

inconnus as (
    select * from {{ ref('int_triage__inconnus') }}
),

ecartees as (
    select
        source,
        table_name,
        fichier,
        colonne,
        motif,
        classe_valeur,
        origine
    from lignes
    union all
    -- Which signals exist is known once the figures are made.
    select
        'triage' as source,
        'verdicts' as table_name,
        'dépôt' as fichier,
        'signal_id' as colonne,
        'aucun signal ne porte cet identifiant' as motif,
        'texte de ' || length(signal_id) || ' caractères' as classe_valeur,
        origine
    from inconnus
)

select
    source,
    table_name,
    fichier,
    colonne,
    motif,
    classe_valeur,
    count(*) as lignes_count,
    origine
from ecartees
group by source, table_name, fichier, colonne, motif, classe_valeur, origine
