with fichiers as (
    select * from {{ ref('stg_registre__fichiers') }}
),

arrondis as (
    select * from {{ ref('taxo_seuils') }}
    where seuil = 'arrondi_lignes'
)

select
    fichiers.source,
    fichiers.empreinte,
    fichiers.fichier,
    fichiers.statut,
    fichiers.motif,
    fichiers.octets_count,
    {{ arrondi('fichiers.lignes_lues_count', 'fichiers.source') }} as lignes_lues_count,
    {{ arrondi('fichiers.lignes_retenues_count', 'fichiers.source') }} as lignes_retenues_count,
    fichiers.lignes_ecartees_count,
    fichiers.avertissements,
    fichiers.prise_at,
    fichiers.origine
from fichiers
cross join arrondis
