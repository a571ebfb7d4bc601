-- One row per pré-plainte; the services are open all year, and what breaks them is felt at once.

create table pre_plaintes as
with felt as (
    select
        day,
        exp(sum(ln(1 + height * case kind
            when 'panne' then -0.7 when 'fraude' then 0.3 when 'prevention' then 0.05
            when 'inondation' then 0.04 else 0
        end))) as factor
    from event_days
    group by day
),
persons as (
    select
        calendar.day,
        unnest(range(draw(
            calendar.reports_expected * 60 / 270 * coalesce(felt.factor, 1)
            * exp(0.08 * normal(seeded('pre_plainte', calendar.day), 'jour')),
            seeded('pre_plainte', calendar.day)
        ))) as rank
    from calendar
    left join felt on calendar.day = felt.day
),
drawn as (
    select
        *,
        hash(seeded('pre_plainte', day), rank) as key,
        u(key, 'departement') as departement_draw,
        u(key, 'personne') as personne_draw
    from persons
),
-- People write between eight in the morning and eleven at night, most of them after work.
timed as (
    select
        *,
        day + to_seconds(
            (8 * 3600 + 54000 * sqrt(u(key, 'heure')) * (0.4 + 0.6 * u(key, 'soir')))::bigint
        ) as debut,
        to_seconds(least(7200, round(exp(ln(840) + 0.55 * normal(key, 'duree'))))::bigint) as duree
    from drawn
)
select
    (timed.day - date '2015-01-01') * 100000 + timed.rank as stats_id,
    strftime(timed.debut, '%Y-%m-%d %H:%M:%S') as stats_debut_declaration,
    strftime(timed.debut + timed.duree, '%Y-%m-%d %H:%M:%S') as stats_fin_declaration,
    departements.code as stats_dpt_unite,
    (timed.personne_draw < 0.93)::integer as stats_pers_physique,
    (timed.personne_draw between 0.93 and 0.985)::integer as stats_pers_morale
from timed
asof inner join departements on timed.departement_draw >= departements.threshold
order by stats_id;
