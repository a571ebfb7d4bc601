with departements as (
    select * from {{ ref('stg_geographie__departements') }}
),

-- A code that the COG does not know places nothing.
structures as (
    select
        recues.structure_id,
        recues.structure_label,
        recues.reseau,
        recues.typologie,
        recues.parent_id,
        departements.departement_code,
        recues.commune_code,
        recues.code_postal,
        recues.ville,
        recues.is_active,
        recues.origine
    from {{ ref('stg_structures__structures') }} as recues
    left join departements
        on {{ code_departement('recues.departement_code') }} = departements.departement_code
),

perimetre as (
    select * from {{ ref('ref_perimetre_gendarmerie') }}
    where objet = 'reseau'
),

seuils as (
    select * from {{ ref('taxo_seuils') }}
    where seuil = 'maillage_departemental'
),

typologies_departementales as (
    select structures.typologie
    from structures
    cross join seuils
    group by structures.typologie, seuils.valeur
    having count(distinct structures.departement_code) >= seuils.valeur
),

-- Overseas, a region is one département: a regional seat does say where the citizen lives.
departements_outre_mer as (
    select departement_code
    from departements
    where zone != 'metro'
)

select
    structures.structure_id,
    structures.structure_label,
    structures.reseau,
    structures.typologie,
    structures.parent_id,
    structures.departement_code,
    structures.commune_code,
    case
        when structures.departement_code is null then structures.code_postal
        else {{ code_postal('structures.code_postal') }}
    end as code_postal,
    structures.ville,
    structures.is_active,
    perimetre.libelle is not null as is_gendarmerie,
    structures.departement_code is not null
    and (
        typologies_departementales.typologie is not null
        or departements_outre_mer.departement_code is not null
    ) as is_locale,
    structures.origine
from structures
left join perimetre
    on lower(structures.reseau) = lower(perimetre.libelle)
left join typologies_departementales
    on structures.typologie = typologies_departementales.typologie
left join departements_outre_mer
    on structures.departement_code = departements_outre_mer.departement_code
