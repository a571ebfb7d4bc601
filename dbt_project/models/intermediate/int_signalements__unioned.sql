with perceval as (
    select * from {{ ref('stg_perceval__signalements_quotidiens') }}
),

montants as (
    select * from {{ ref('stg_perceval__montants_quotidiens') }}
),

declarations as (
    select * from {{ ref('stg_pre_plainte__declarations') }}
),

releves as (
    select * from {{ ref('int_signalements__releves') }}
    where grain = 'jour'
),

departements as (
    select * from {{ ref('stg_geographie__departements') }}
),

recus as (
    select
        'perceval' as source,
        'fraude_carte_bancaire' as menace,
        coalesce(perceval.jour, montants.jour) as jour,
        cast(null as string) as departement_code,
        coalesce(perceval.signalements_count, 0) as signalements_count,
        montants.montant_eur,
        coalesce(perceval.origine, montants.origine) as origine
    from perceval
    full join montants
        on perceval.jour = montants.jour
    union all
    select
        'pre_plainte' as source,
        'non_precisee' as menace,
        {{ jour_paris('debut_at') }} as jour,
        departement_code,
        1 as signalements_count,
        null as montant_eur,
        origine
    from declarations
    union all
    select
        source,
        menace,
        debut_le as jour,
        departement_code,
        signalements_count,
        null as montant_eur,
        origine
    from releves
    where signalements_count is not null
)

-- A code that is no département still counts in the totals, under no département.
select
    recus.source,
    recus.menace,
    recus.jour,
    departements.departement_code,
    cast(sum(recus.signalements_count) as bigint) as signalements_count,
    cast(sum(recus.montant_eur) as double) as montant_eur,
    recus.origine
from recus
left join departements
    on {{ code_departement('recus.departement_code') }} = departements.departement_code
group by
    recus.source,
    recus.menace,
    recus.jour,
    departements.departement_code,
    recus.origine
