-- One row per card fraud reported on Percev@l; the file counts these same rows in four ways.

create table reports as
with
persons as (
    select
        day,
        'perceval' as cause,
        unnest(range(draw(
            reports_expected * exp(0.06 * normal(seeded('perceval', day), 'jour')),
            seeded('perceval', day)
        ))) as rank
    from calendar
    union all
    select
        event_days.day,
        event_days.event as cause,
        unnest(range(draw(
            calendar.reports_expected * event_days.perceval
            * (event_days.size - 1) * event_days.height,
            seeded(event_days.event, event_days.day)
        ))) as rank
    from event_days
    inner join calendar on event_days.day = calendar.day
    where event_days.perceval > 0 and event_days.size > 1
),
drawn as (
    select
        *,
        hash(seeded('perceval', day), cause, rank) as key,
        u(key, 'departement') as departement_draw
    from persons
),
placed as (
    select
        drawn.day,
        drawn.key,
        departements.code as dpt_code
    from drawn
    asof inner join departements on drawn.departement_draw >= departements.threshold
)
select
    day,
    strftime(day, '%Y-%m') as month,
    dpt_code,
    pick(list_concat(
        list_resize(['00'], 2, '00'), list_resize(['15-24'], 13, '15-24'),
        list_resize(['25-34'], 20, '25-34'), list_resize(['35-44'], 21, '35-44'),
        list_resize(['45-54'], 18, '45-54'), list_resize(['55-64'], 14, '55-64'),
        list_resize(['65-74'], 8, '65-74'), list_resize(['75+'], 4, '75+')
    ), key, 'age') as age_cat,
    round(exp(ln(480) - 0.405 + 0.9 * normal(key, 'montant')), 2) as amount
from placed
where not exists (
    select 1
    from event_days
    where
        event_days.day = placed.day
        and event_days.perceval > 0
        and event_days.size < 1
        and list_contains(event_days.departements, placed.dpt_code)
        and u(placed.key, event_days.event) < (1 - event_days.size) * event_days.height
);

create view nb_report_day as
select
    calendar.day,
    count(reports.day) as count
from calendar
left join reports on calendar.day = reports.day
group by calendar.day
order by calendar.day;

create view amount_of_money_day as
select
    calendar.day,
    round(coalesce(sum(reports.amount), 0), 2) as amount
from calendar
left join reports on calendar.day = reports.day
group by calendar.day
order by calendar.day;

create view months as select distinct strftime(day, '%Y-%m') as month from calendar;

create view dpt_report_month as
select
    months.month,
    departements.code as dpt_code,
    count(reports.day) as count
from months
cross join departements
left join reports on months.month = reports.month and departements.code = reports.dpt_code
group by all
order by all;

create view age_categories_month as
select
    months.month,
    ages.age_cat,
    count(reports.day) as count
from months
cross join (
    select unnest(['00', '15-24', '25-34', '35-44', '45-54', '55-64', '65-74', '75+']) as age_cat
) as ages
left join reports on months.month = reports.month and ages.age_cat = reports.age_cat
group by all
order by all;
