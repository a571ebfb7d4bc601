with sources as (
    select * from {{ ref('stg_registre__sources') }}
),

mesures as (
    select * from {{ ref('int_sources__mesurees') }}
),

prises as (
    select
        source,
        max(debut_at) as derniere_prise_at
    from {{ ref('stg_registre__prises') }}
    where statut = 'ok'
    group by source
),

ecarts as (
    select
        source,
        count(*) as lignes_ecartees_count
    from {{ ref('stg_quarantaine__lignes') }}
    group by source
),

refus as (
    select
        source,
        count(*) as fichiers_refuses_count
    from {{ ref('stg_registre__fichiers') }}
    where statut = 'refuse'
    group by source
),

arrondis as (
    select * from {{ ref('taxo_seuils') }}
    where seuil = 'arrondi_lignes'
)

select
    sources.source,
    sources.source_label,
    sources.pilier,
    sources.licence,
    sources.url,
    sources.fraicheur_max_heures,
    mesures.origine,
    {{ arrondi('coalesce(mesures.lignes_count, 0)', 'sources.source') }} as lignes_count,
    mesures.derniere_donnee_le,
    prises.derniere_prise_at,
    coalesce(ecarts.lignes_ecartees_count, 0) as lignes_ecartees_count,
    coalesce(refus.fichiers_refuses_count, 0) as fichiers_refuses_count
from sources
left join mesures
    on sources.source = mesures.source
left join prises
    on sources.source = prises.source
left join ecarts
    on sources.source = ecarts.source
left join refus
    on sources.source = refus.source
cross join arrondis
