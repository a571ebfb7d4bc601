with lignes as (
    select * from {{ ref('stg_quarantaine__lignes') }}
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
from lignes
group by source, table_name, fichier, colonne, motif, classe_valeur, origine
