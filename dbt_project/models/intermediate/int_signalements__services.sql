-- Days are counted by month: with the days of the country and the months of the départements, a
-- day in a département would be had back by subtraction.
with releves as (
    select * from {{ ref('int_signalements__releves') }}
),

periodes as (
    select
        source,
        service,
        grain,
        cast(date_trunc(case grain when 'annee' then 'year' else 'month' end, debut_le) as date)
            as debut_le,
        menace,
        public,
        departement_code,
        signalements_count,
        consultations_count,
        origine
    from releves
)

select
    source,
    service,
    grain,
    debut_le,
    {{ mois('debut_le') }} as mois,
    menace,
    public,
    departement_code,
    cast(sum(signalements_count) as bigint) as signalements_count,
    cast(sum(consultations_count) as bigint) as consultations_count,
    origine
from periodes
where
    (grain = 'annee' and {{ est_close('debut_le', 'year') }})
    or (grain != 'annee' and {{ est_close('debut_le') }})
group by source, service, grain, debut_le, menace, public, departement_code, origine
