with source as (
    select * from {{ source('jedonnemonavis', 'avis') }}
)

select
    -- ids
    avis_id,
    demarche as demarche_code,
    -- dates
    cree_le,
    {{ utc('cree_at') }} as cree_at,
    -- message
    verbatim as texte,
    -- réponses
    satisfaction,
    comprehension,
    contact_tried as aides_cherchees,
    contact_reached as aides_jointes,
    contact_satisfaction as aides_jugees,
    bug_kind as remontee,
    -- provenance
    formulaire as formulaire_label,
    bouton as bouton_label,
    _origine as origine,
    _dlt_load_id as chargement_id
from source
