with effets as (
    select
        campagne_id,
        pas,
        {{ unnest_lignes('periodes') }} as periode
    from {{ ref('int_campagnes__effets') }}
),

campagnes as (
    select * from {{ ref('int_campagnes__mesurees') }}
)

select
    effets.campagne_id,
    campagnes.campagne_cle,
    effets.pas,
    effets.periode.debut_le,
    effets.periode.fin_le,
    effets.periode.phase,
    effets.periode.observe_count,
    cast(round(effets.periode.attendu) as bigint) as attendu_count,
    cast(round(effets.periode.attendu_bas) as bigint) as attendu_bas_count,
    cast(round(effets.periode.attendu_haut) as bigint) as attendu_haut_count,
    effets.periode.effet_par_jour,
    cast(round(effets.periode.effet_cumule) as bigint) as effet_cumule_count,
    cast(round(effets.periode.effet_cumule_bas) as bigint) as effet_cumule_bas_count,
    cast(round(effets.periode.effet_cumule_haut) as bigint) as effet_cumule_haut_count
from effets
inner join campagnes
    on effets.campagne_id = campagnes.campagne_id
