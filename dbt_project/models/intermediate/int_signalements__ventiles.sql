with signalements as (
    select * from {{ ref('stg_perceval__signalements_departements') }}
),

ages as (
    select * from {{ ref('stg_perceval__signalements_ages') }}
),

departements as (
    select * from {{ ref('stg_geographie__departements') }}
),

-- A code that is no département still counts in the totals, under no département.
ventilations as (
    select
        signalements.mois,
        'departement' as axe,
        departements.departement_code as modalite,
        signalements.signalements_count,
        signalements.origine
    from signalements
    left join departements
        on signalements.departement_code = departements.departement_code
    union all
    select
        mois,
        'age' as axe,
        case tranche_age_code when '00' then 'inconnu' else tranche_age_code end as modalite,
        signalements_count,
        origine
    from ages
)

select
    'perceval' as source,
    'fraude_carte_bancaire' as menace,
    mois,
    axe,
    modalite,
    cast(sum(signalements_count) as bigint) as signalements_count,
    origine
from ventilations
group by mois, axe, modalite, origine
