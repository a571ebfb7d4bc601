with signalements as (
    select * from {{ ref('int_signalements__unioned') }}
),

ventiles as (
    select * from {{ ref('int_signalements__ventiles') }}
),

comptes as (
    select
        source,
        menace,
        {{ mois('jour') }} as mois,
        'jour' as axe,
        signalements_count,
        origine
    from signalements
    union all
    select
        source,
        menace,
        mois,
        axe,
        signalements_count,
        origine
    from ventiles
),

totaux as (
    select
        source,
        menace,
        mois,
        cast(sum(case when axe = 'jour' then signalements_count end) as bigint) as jours_count,
        cast(sum(case when axe = 'departement' then signalements_count end) as bigint)
            as departements_count,
        cast(sum(case when axe = 'age' then signalements_count end) as bigint) as ages_count,
        origine
    from comptes
    group by source, menace, mois, origine
)

select
    source,
    menace,
    mois,
    jours_count,
    departements_count,
    ages_count,
    least(jours_count, departements_count, ages_count)
    = greatest(jours_count, departements_count, ages_count) as is_concordant,
    origine
from totaux
where {{ est_close('mois') }}
