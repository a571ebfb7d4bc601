with quotidiens as (
    select * from {{ ref('int_signalements__unioned') }}
),

signalements as (
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
        'perceval' as source,
        'fraude_carte_bancaire' as menace,
        signalements.mois,
        'departement' as axe,
        departements.departement_code as modalite,
        signalements.signalements_count,
        signalements.origine
    from signalements
    left join departements
        on {{ code_departement('signalements.departement_code') }} = departements.departement_code
    union all
    select
        'perceval' as source,
        'fraude_carte_bancaire' as menace,
        mois,
        'age' as axe,
        case tranche_age_code when '00' then 'inconnu' else tranche_age_code end as modalite,
        signalements_count,
        origine
    from ages
    union all
    select
        source,
        menace,
        {{ mois('jour') }} as mois,
        'departement' as axe,
        departement_code as modalite,
        signalements_count,
        origine
    from quotidiens
    -- Percev@l tells its days without their départements, and its départements by month.
    where source != 'perceval'
)

select
    source,
    menace,
    mois,
    axe,
    modalite,
    cast(sum(signalements_count) as bigint) as signalements_count,
    origine
from ventilations
group by source, menace, mois, axe, modalite, origine
