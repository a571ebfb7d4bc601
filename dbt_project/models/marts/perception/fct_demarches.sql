with demarches as (
    select * from {{ ref('stg_observatoire__demarches') }}
),

editions as (
    select * from {{ ref('stg_observatoire__editions') }}
),

indicateurs as (
    select * from {{ ref('stg_observatoire__indicateurs') }}
)

select
    demarches.edition_id,
    editions.edition_label,
    editions.debut_le,
    editions.fin_le,
    demarches.demarche_id,
    demarches.demarche_label,
    demarches.ministere,
    demarches.administration,
    demarches.volume_annuel,
    indicateurs.indicateur,
    indicateurs.indicateur_label,
    indicateurs.valeur as valeur_recue,
    try_cast(replace(indicateurs.valeur, ',', '.') as double) as note,
    indicateurs.is_objectif_atteint,
    demarches.origine
from demarches
inner join editions on demarches.edition_id = editions.edition_id
inner join indicateurs on demarches.demarche_id = indicateurs.demarche_id
