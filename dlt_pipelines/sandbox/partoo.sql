-- One row per review that Google shows of a unit; what an answer brings carries its date.

create table units as
select
    row_number() over (order by code) as rank,
    md5('unite/' || code)[:24] as business_id,
    code,
    code_postal,
    regexp_replace(villes[1], '^(à|au|aux) ', '') as town,
    region_code,
    region_nom,
    threshold
from departements;

create table reviews as
with
persons as (
    select
        day,
        unnest(range(draw(experiences_expected * 0.3, seeded('google', day)))) as rank,
        'google' as cause,
        0.58 as good,
        0.3 as bad,
        'services/Brigade de gendarmerie' as told,
        0 as elsewhere,
        []::varchar[] as places
    from calendar
    union all by name
    select
        calendar.day,
        unnest(range(draw(
            calendar.experiences_expected * 0.3 * needs.share,
            seeded('google/besoin/' || need, calendar.day)
        ))) as rank,
        'google/besoin/' || need as cause,
        0.08 as good,
        0.7 as bad,
        'besoins/' || need as told,
        elsewhere,
        departements as places
    from calendar
    cross join needs
    union all by name
    select
        event_days.day,
        unnest(range(draw(
            calendar.experiences_expected * event_days.outcry * event_days.height * 0.3,
            seeded('google/' || event_days.event, event_days.day)
        ))) as rank,
        'google/' || event_days.event as cause,
        event_days.positif as good,
        event_days.negatif as bad,
        'services/Brigade de gendarmerie' as told,
        0 as elsewhere,
        event_days.departements as places
    from event_days
    inner join calendar on event_days.day = calendar.day
    where event_days.service = 'Brigade de gendarmerie'
),
drawn as (
    select
        *,
        hash(seeded(cause, day), rank) as key,
        u(key, 'unite') as unit_draw
    from persons
),
chosen as (
    select
        drawn.* exclude (rank, cause),
        if(
            u(key, 'ailleurs') < elsewhere,
            units.code,
            coalesce(pick(drawn.places, drawn.key, 'lieu'), units.code)
        ) as code,
        case
            when u(key, 'ton') < good then 'positif'
            when u(key, 'ton') < good + bad then 'negatif'
            else 'neutre'
        end as tone,
        paris_to_utc(day + to_seconds(floor(28800 + u(key, 'heure') * 50000)::bigint))
            as created_at
    from drawn
    asof inner join units on drawn.unit_draw >= units.threshold
)
select
    (chosen.day - date '2015-01-01') * 10000
    + row_number() over (partition by chosen.day order by created_at, chosen.key) as id,
    units.business_id,
    created_at,
    if(
        u(chosen.key, 'reponse') < 0.6,
        created_at + to_hours(20 + floor(u(chosen.key, 'delai') * 300)::integer),
        null
    ) as answered_at,
    case chosen.tone
        when 'positif' then 4 + (u(chosen.key, 'note') < 0.8)::integer
        when 'negatif' then 1 + (u(chosen.key, 'note') < 0.2)::integer
        else 3
    end as rating,
    if(u(chosen.key, 'muet') < 0.4, null, concat_ws(
        ' ',
        pick(facts.choices, chosen.key, 'fait'),
        if(u(chosen.key, 'se nomme') < 0.05, pick(personal.choices, chosen.key, 'personnel'), null),
        pick(closings.choices, chosen.key, 'conclusion')
    )) as content
from chosen
inner join units on chosen.code = units.code
inner join phrases as facts
    on facts.family = chosen.told and facts.tone = chosen.tone
inner join phrases as closings
    on closings.family = 'conclusions' and closings.tone = chosen.tone
inner join phrases as personal on personal.family = 'personnel';
