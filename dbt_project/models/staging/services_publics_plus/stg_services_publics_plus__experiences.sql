with source as (
    select * from {{ source('services_publics_plus', 'experiences') }}
)

select
    -- ids
    experience_id,
    -- dates
    {{ utc('publie_at') }} as publie_at,
    {{ utc('ecrit_at') }} as ecrit_at,
    {{ utc('premiere_reponse_at') }} as premiere_reponse_at,
    {{ utc('action_engagee_le') }} as action_engagee_at,
    {{ utc('action_realisee_le') }} as action_realisee_at,
    -- message
    titre,
    description as texte,
    poste_comme,
    etat,
    statut,
    -- usager
    departement_insee as departement_code,
    code_postal,
    pays,
    -- services concernés
    typologie_1,
    code_postal_typologie_1,
    pays_typologie_1,
    canaux_typologie_1,
    typologie_2,
    code_postal_typologie_2,
    pays_typologie_2,
    canaux_typologie_2,
    typologie_3,
    code_postal_typologie_3,
    pays_typologie_3,
    canaux_typologie_3,
    structure_1_id,
    structure_1 as structure_1_label,
    structure_2_id,
    structure_2 as structure_2_label,
    structure_3_id,
    structure_3 as structure_3_label,
    hors_structure = 'Oui' as is_hors_structure,
    -- perception
    ressenti,
    accessibilite,
    information_explication as information,
    relation,
    reactivite,
    simplicite_complexite as simplicite,
    -- réponses
    statut_reponse_structure_1,
    reponse_structure_1,
    reponse_structure_2,
    reponse_structure_3,
    -- mesures
    evaluation_utile_visiteurs as evaluations_utiles_count,
    evaluation_inutile_visiteurs as evaluations_inutiles_count,
    experiences_similaires as experiences_similaires_count,
    -- provenance
    _origine as origine,
    _dlt_load_id as chargement_id
from source
