-- Figures as each service tells them: by day and département, by month, by year.

create table forms as
from (values
    ('plainte_en_ligne', 'jour', true, 'tous', 'atteinte aux biens', 900.0, 0.2),
    ('thesee', 'mois', false, 'particulier', 'faux site de vente', 75, 0.6),
    ('thesee', 'mois', false, 'particulier', 'faux vendeur', 32, 0.4),
    ('thesee', 'mois', false, 'particulier', 'faux acheteur', 21, 0.4),
    ('thesee', 'mois', false, 'particulier', 'fausse location', 19, 0.1),
    ('thesee', 'mois', false, 'particulier', 'piratage de compte', 17, 0.3),
    ('pharos', 'mois', false, 'tous', 'escroquerie en ligne', 215, 0.6),
    ('pharos', 'mois', false, 'tous', 'atteinte aux mineurs', 55, 0),
    ('pharos', 'mois', false, 'tous', 'discrimination', 38, 0),
    ('pharos', 'mois', false, 'tous', 'terrorisme', 17, 0),
    ('masecurite', 'mois', true, 'tous', 'stupéfiants', 60, 0),
    ('masecurite', 'mois', true, 'tous', 'rodéos urbains', 45, 0),
    ('masecurite', 'mois', true, 'tous', 'maltraitance animale', 30, 0),
    ('17cyber', 'mois', false, 'particulier', 'hameçonnage', 180, 1),
    ('17cyber', 'mois', false, 'particulier', 'piratage de compte', 110, 0.3),
    ('17cyber', 'mois', false, 'entreprise', 'rançongiciel', 6, 0),
    ('17cyber', 'mois', false, 'entreprise', 'faux ordre de virement', 5, 0.5),
    ('17cyber', 'mois', false, 'collectivite', 'rançongiciel', 1.2, 0),
    ('cybermalveillance', 'annee', false, 'particulier', 'hameçonnage', 175, 0),
    ('cybermalveillance', 'annee', false, 'particulier', 'piratage de compte', 150, 0),
    ('cybermalveillance', 'annee', false, 'particulier', 'faux support technique', 37, 0),
    ('cybermalveillance', 'annee', false, 'particulier', 'violation de données', 34, 0),
    ('cybermalveillance', 'annee', false, 'entreprise', 'rançongiciel', 6, 0),
    ('cybermalveillance', 'annee', false, 'collectivite', 'rançongiciel', 1, 0)
) as forms (service, grain, is_placed, public, menace, daily, lift);

create table periods as
with felt as (
    select
        day,
        sum(height) as height
    from event_days
    where kind = 'fraude'
    group by day
),
rhythm as (
    select
        calendar.day,
        calendar.reports_expected / 270 as pace,
        coalesce(felt.height, 0) as height
    from calendar
    left join felt on calendar.day = felt.day
)
select
    'jour' as grain,
    day as start,
    strftime(day, '%Y-%m-%d') as periode,
    pace,
    pace * height as lifted
from rhythm
union all
-- A month is told once it is over.
select
    'mois' as grain,
    min(day) as start,
    strftime(min(day), '%Y-%m') as periode,
    sum(pace) as pace,
    sum(pace * height) as lifted
from rhythm
group by date_trunc('month', day)
having count(*) = day(last_day(min(day)))
union all
-- The report of a year appears in the next one, and tells the years before it.
select
    'annee' as grain,
    make_date(year, 1, 1) as start,
    year::varchar as periode,
    365 * pow(1.2, year - 2024) as pace,
    0 as lifted
from (
    select unnest(range(2021, (select max(year(day)) from calendar))) as year
);

create table places as
select
    code,
    coalesce(lead(threshold) over (order by threshold), 1) - threshold as share,
    true as is_placed
from departements
union all
select '00', 1, false;

create table releves as
select
    forms.service,
    periods.periode,
    forms.grain,
    places.code as departement,
    forms.public,
    forms.menace,
    draw(
        forms.daily * places.share * (periods.pace + forms.lift * periods.lifted),
        hash(seeded('signalements/' || forms.service || forms.grain, periods.start),
            places.code, forms.public, forms.menace)
    ) as nombre,
    case forms.service
        when 'cybermalveillance'
            then (nombre * (20 + 10 * u(hash(forms.menace, forms.public), 'vues')))::bigint
    end as consultations
from forms
inner join periods on forms.grain = periods.grain
inner join places on forms.is_placed = places.is_placed
order by all;
