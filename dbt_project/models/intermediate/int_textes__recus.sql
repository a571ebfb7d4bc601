{{ config(materialized='view') }}

-- What may name a place, before anybody knows where it is from.
select
    'services_publics_plus' as source,
    'services_publics_plus:' || experience_id as message_id,
    coalesce(titre || '. ', '') || coalesce(texte, '') as texte,
    chargement_id
from {{ ref('stg_services_publics_plus__experiences') }}
where coalesce(titre, texte) is not null
union all
select
    'jedonnemonavis' as source,
    'jedonnemonavis:' || avis_id || '/' || cree_le as message_id,
    texte,
    chargement_id
from {{ ref('stg_jedonnemonavis__avis') }}
where texte is not null
union all
select
    plateforme as source,
    plateforme || ':' || publication_id as message_id,
    texte,
    chargement_id
from {{ ref('int_publications__unioned') }}
where sujet is not null
