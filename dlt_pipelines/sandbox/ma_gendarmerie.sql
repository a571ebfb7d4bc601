-- One row per contact with the digital brigade, open day and night; clocks are those of Paris.

create table reasons as
from (values
    ('Demande d''information', 'Horaires et coordonnées d''une unité', 5.0, '', 0),
    ('Demande d''information', 'Suivi de plainte', 6, '', 0),
    ('Demande d''information', 'Recrutement', 5, '', 0),
    ('Demande d''information', 'Permis et carte grise', 4, '', 0),
    ('Demande d''information', 'Opération tranquillité vacances', 2, 'prevention', 1.5),
    ('Demande d''information', 'Panne d''un service en ligne', 0.4, 'panne', 60),
    ('Victime', 'Fraude à la carte bancaire', 5, 'fraude', 1.2),
    ('Victime', 'Escroquerie en ligne', 6, 'fraude', 0.6),
    ('Victime', 'Usurpation d''identité', 2, 'fraude', 0.3),
    ('Victime', 'Piratage de compte', 3, '', 0),
    ('Victime', 'Cyberharcèlement', 1.5, '', 0),
    ('Victime', 'Vol et cambriolage', 4, '', 0),
    ('Signalement', 'Hameçonnage', 6, 'fraude', 1),
    ('Signalement', 'Stupéfiants', 2, '', 0),
    ('Signalement', 'Rodéo motorisé', 1.5, '', 0),
    ('Signalement', 'Maltraitance animale', 2, '', 0),
    ('Signalement', 'Intempéries et inondation', 0.3, 'inondation', 90),
    ('Signalement', 'Rumeur et fausse information', 0.4, 'rumeur', 60),
    ('Signalement', 'Mouvement de foule', 0.3, 'panique', 120),
    ('PNAV', 'Signalement', 1, '', 0)
) as reasons (motif_parent, motif, daily, kind, lift);

create table contacts as
with felt as (
    select
        day,
        kind,
        sum(height) as height
    from event_days
    group by day, kind
),
persons as (
    select
        calendar.day,
        reasons.motif_parent,
        reasons.motif,
        unnest(range(draw(
            calendar.reports_expected / 270 * reasons.daily
            * (1 + reasons.lift * coalesce(felt.height, 0)),
            seeded('ma_gendarmerie/' || reasons.motif_parent || reasons.motif, calendar.day)
        ))) as rank
    from calendar
    cross join reasons
    left join felt on calendar.day = felt.day and reasons.kind = felt.kind
),
drawn as (
    select
        *,
        hash(seeded('ma_gendarmerie', day), motif_parent, motif, rank) as key
    from persons
),
timed as (
    select
        *,
        -- An hour that spring skips is brought to the next one, as the clocks are.
        timezone('Europe/Paris', timezone('UTC', paris_to_utc(
            day + to_minutes((1440 * pow(u(key, 'heure'), 0.7))::bigint)
        ))) as moment
    from drawn
)
select
    'demo_' || key as reference,
    strftime(moment, '%d/%m/%Y %H:%M') as "date",
    pick(['Tchat', 'Tchat', 'Formulaire'], key, 'canal') as canal,
    motif_parent,
    motif,
    '' as element_de_qualification
from timed
order by moment, key;
