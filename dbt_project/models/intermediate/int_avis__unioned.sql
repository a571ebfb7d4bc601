-- Je donne mon avis: those whose export somebody dropped; their counts come from its API.
with exportes as (
    select
        *,
        'jedonnemonavis:' || avis_id || '/' || cree_le as jdma_id,
        coalesce(cree_at, cast(cree_le as timestamp)) as publie_at
    from {{ ref('stg_jedonnemonavis__avis') }}
),

-- What its author took back is no longer said.
avis_google as (
    select
        *,
        'avis_google:' || avis_id as avis_google_id,
        {{ jour_paris('publie_at') }} as jour,
        {{ jour_paris('premiere_reponse_at') }} as premiere_reponse_jour
    from {{ ref('stg_avis_google__avis') }}
    where coalesce(etat, '') != 'deleted' and retire_at is null
),

unites as (
    select * from {{ ref('stg_avis_google__unites') }}
),

demarches as (
    select
        {{ nom_d_export('demarche_label') }} as demarche_code,
        min(demarche_label) as demarche_label
    from {{ ref('stg_jedonnemonavis__demarches') }}
    group by {{ nom_d_export('demarche_label') }}
),

experiences as (
    select
        *,
        'services_publics_plus:' || experience_id as avis_id,
        {{ jour_paris('publie_at') }} as jour,
        {{ jour_paris('premiere_reponse_at') }} as premiere_reponse_jour
    from {{ ref('stg_services_publics_plus__experiences') }}
),

services as (
    select * from {{ ref('int_avis__services') }}
),

localises as (
    select * from {{ ref('int_avis__localises') }}
),

structures as (
    select * from {{ ref('int_structures__localisees') }}
),

perimetre as (
    select * from {{ ref('ref_perimetre_gendarmerie') }}
),

-- The service a message speaks of: the first one named.
premiers_rangs as (
    select
        avis_id,
        min(rang) as rang
    from services
    where typologie is not null
    group by avis_id
),

services_principaux as (
    select
        services.avis_id,
        services.typologie as service_label,
        services.canaux
    from services
    inner join premiers_rangs
        on
            services.avis_id = premiers_rangs.avis_id
            and services.rang = premiers_rangs.rang
),

concernes as (
    select distinct services.avis_id
    from services
    left join structures
        on services.structure_id = structures.structure_id
    left join perimetre as typologies
        on
            typologies.objet = 'typologie'
            and lower(services.typologie) = lower(typologies.libelle)
    left join perimetre as structures_citees
        on
            structures_citees.objet = 'structure'
            and lower(services.structure_label) = lower(structures_citees.libelle)
    where
        structures.is_gendarmerie
        or typologies.libelle is not null
        or structures_citees.libelle is not null
)

select
    exportes.jdma_id as avis_id,
    'jedonnemonavis' as source,
    exportes.publie_at,
    {{ jour_paris('exportes.publie_at') }} as jour,
    null as titre,
    exportes.texte,
    coalesce(demarches.demarche_label, replace(exportes.demarche_code, '_', ' ')) as service_label,
    null as structure_id,
    null as structure_label,
    null as canaux,
    null as poste_comme,
    {{ polarite('exportes.satisfaction') }} as ressenti,
    null as accessibilite,
    {{ polarite('exportes.comprehension') }} as information,
    null as relation,
    null as reactivite,
    null as simplicite,
    -- The keys and the exports that reach us are those of our own procedures.
    true as is_perimetre_gendarmerie,
    -- Nobody can answer there.
    null as is_repondu,
    null as delai_reponse_jours,
    localises.departement_code,
    coalesce(localises.geo_precision, 'inconnu') as geo_precision,
    null as pays,
    exportes.origine
from exportes
left join demarches
    on exportes.demarche_code = demarches.demarche_code
left join localises
    on exportes.jdma_id = localises.avis_id
union all
select
    avis_google.avis_google_id as avis_id,
    'avis_google' as source,
    avis_google.publie_at,
    avis_google.jour,
    null as titre,
    avis_google.texte,
    null as service_label,
    null as structure_id,
    unites.unite_label as structure_label,
    'Accueil' as canaux,
    null as poste_comme,
    {{ polarite('cast(avis_google.note as string)') }} as ressenti,
    null as accessibilite,
    null as information,
    null as relation,
    null as reactivite,
    null as simplicite,
    true as is_perimetre_gendarmerie,
    avis_google.premiere_reponse_jour is not null as is_repondu,
    {{ jours_entre('avis_google.jour', 'avis_google.premiere_reponse_jour') }}
        as delai_reponse_jours,
    localises.departement_code,
    coalesce(localises.geo_precision, 'inconnu') as geo_precision,
    null as pays,
    avis_google.origine
from avis_google
left join unites
    on avis_google.unite_id = unites.unite_id
left join localises
    on avis_google.avis_google_id = localises.avis_id
union all
select
    experiences.avis_id,
    'services_publics_plus' as source,
    experiences.publie_at,
    experiences.jour,
    experiences.titre,
    experiences.texte,
    services_principaux.service_label,
    experiences.structure_1_id as structure_id,
    experiences.structure_1_label as structure_label,
    services_principaux.canaux,
    experiences.poste_comme,
    {{ polarite('experiences.ressenti') }} as ressenti,
    {{ polarite('experiences.accessibilite') }} as accessibilite,
    {{ polarite('experiences.information') }} as information,
    {{ polarite('experiences.relation') }} as relation,
    {{ polarite('experiences.reactivite') }} as reactivite,
    {{ polarite('experiences.simplicite') }} as simplicite,
    concernes.avis_id is not null as is_perimetre_gendarmerie,
    coalesce(experiences.statut = 'Expérience avec réponse', false)
    or experiences.reponse_structure_1 is not null
    or experiences.reponse_structure_2 is not null
    or experiences.reponse_structure_3 is not null
    or experiences.premiere_reponse_at is not null as is_repondu,
    {{ jours_entre('experiences.jour', 'experiences.premiere_reponse_jour') }}
        as delai_reponse_jours,
    localises.departement_code,
    coalesce(localises.geo_precision, 'inconnu') as geo_precision,
    experiences.pays,
    experiences.origine
from experiences
left join services_principaux
    on experiences.avis_id = services_principaux.avis_id
left join localises
    on experiences.avis_id = localises.avis_id
left join concernes
    on experiences.avis_id = concernes.avis_id
