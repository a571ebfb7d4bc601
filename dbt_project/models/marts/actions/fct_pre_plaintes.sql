with declarations as (
    select * from {{ ref('stg_pre_plainte__declarations') }}
),

departements as (
    select * from {{ ref('stg_geographie__departements') }}
)

select
    declarations.declaration_id,
    declarations.debut_at,
    {{ jour_paris('declarations.debut_at') }} as jour,
    {{ secondes_entre('declarations.debut_at', 'declarations.fin_at') }} as duree_secondes,
    case
        when declarations.is_personne_physique and not declarations.is_personne_morale
            then 'physique'
        when declarations.is_personne_morale and not declarations.is_personne_physique
            then 'morale'
        else 'inconnu'
    end as type_personne,
    departements.departement_code,
    declarations.origine
from declarations
left join departements
    on {{ code_departement('declarations.departement_code') }} = departements.departement_code
