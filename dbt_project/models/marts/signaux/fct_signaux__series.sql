{{ config(tags=['heure']) }}

-- A cluster has no series of its own: that of its main département is shown.
with signaux as (
    select
        *,
        replace(serie_id, '/foyer/', '/' || coalesce(departement_code, 'FR') || '/')
            as serie_montree_id
    from {{ ref('int_signaux__suivis') }}
),

detections as (
    select * from {{ ref('int_series__detections') }}
    where forme != 'foyer'
),

seuils as (
    {{ seuils('signaux', ['courbe_jours', 'courbe_heures']) }}
),

arrondis as (
    select * from {{ ref('taxo_seuils') }}
    where seuil = 'arrondi_lignes'
),

fenetres as (
    select
        signaux.signal_id,
        signaux.serie_montree_id,
        signaux.ouvert_at - interval '1 hour' * (
            case signaux.grain
                when 'jour' then 24 * seuils.courbe_jours else seuils.courbe_heures
            end
        ) as debut_at,
        signaux.maj_at + interval '1 hour' * (
            case signaux.grain
                when 'jour' then 6 * seuils.courbe_jours else seuils.courbe_heures / 4
            end
        ) as fin_at
    from signaux
    cross join seuils
)

select
    fenetres.signal_id,
    detections.periode_at,
    cast(
        {{ par_dizaines('detections.observe_count', 'detections.is_personnes') }} as bigint
    ) as observe_count,
    {% for mesure in ['attendu_count', 'attendu_bas_count', 'attendu_haut_count'] -%}
        {{ par_dizaines('detections.' ~ mesure, 'detections.is_personnes') }} as {{ mesure }},
    {% endfor -%}
    detections.is_alerte as est_alerte
from fenetres
inner join detections
    on
        fenetres.serie_montree_id = detections.serie_id
        and fenetres.debut_at <= detections.periode_at
        and fenetres.fin_at > detections.periode_at
cross join arrondis
