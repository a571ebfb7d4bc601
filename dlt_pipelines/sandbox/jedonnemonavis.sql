-- One row per answer to a questionnaire of Je donne mon avis, a review being all those of one
-- `review_id`; ids of answers and their labels are the service's own.
-- A review that its author takes back carries the date: the server hides it from then on.

create table products as
select
    *,
    title || ' (démonstration)' as product_name,
    2 * product_id as form_id
from (values
    -- id, title, typology of Services Publics+ that tells the same story, share, good, bad
    (901, 'Déposer une pré-plainte en ligne', 'Pré-plainte en ligne (PPEL)', 0.16, 0.62, 0.16),
    (902, 'Signaler une fraude à la carte bancaire', 'Service en ligne Perceval', 0.15, 0.7, 0.12),
    (903, 'Déposer plainte en ligne', 'Plainte en ligne (PEL)', 0.10, 0.55, 0.22),
    (904, 'Contacter la brigade numérique', 'Unité Numérique', 0.08, 0.78, 0.09),
    (905, 'Ma Sécurité', 'Masecurite.fr', 0.06, 0.7, 0.12),
    (906, 'Signaler un contenu illicite', 'PHAROS', 0.04, 0.5, 0.3),
    (907, 'Signaler une escroquerie sur internet', 'THESEE', 0.05, 0.52, 0.28),
    (908, 'Opération tranquillité vacances', '', 0.04, 0.85, 0.05),
    (909, 'Candidater à la gendarmerie', '', 0.03, 0.66, 0.14),
    (910, 'Prendre rendez-vous en brigade', 'Brigade de gendarmerie', 0.05, 0.68, 0.15),
    (911, 'Signaler un rodéo motorisé', '', 0.02, 0.6, 0.2),
    (912, 'Demander une attestation de dépôt de plainte', '', 0.02, 0.64, 0.16)
) as listed(product_id, title, typologie, share, good, bad);

create table channels as
from (values
    (9, 'Au guichet avec l’administration'),
    (10, 'Par téléphone avec l’administration'),
    (11, 'Par e-mail avec l’administration'),
    (12, 'Par chat avec l’administration'),
    (13, 'Une personne proche'),
    (14, 'Une association'),
    (15, 'Des sites internet'),
    (16, 'Autres, précisez'),
    (17, 'Je n''ai pas eu besoin d''aide')
) as listed(item, label);

create table marks as
from (values (1, 'very_bad'), (2, 'bad'), (3, 'medium'), (4, 'good'), (5, 'very_good'))
as listed(mark, intention);

create table reviews as
with
persons as (
    select
        day,
        product_id,
        unnest(range(draw(
            experiences_expected * share, seeded('jdma/' || product_id, day)
        ))) as rank,
        'jdma/' || product_id as cause,
        null as words,
        good,
        bad
    from calendar
    cross join products
    union all by name
    select
        calendar.day,
        901 as product_id,
        unnest(range(draw(
            calendar.experiences_expected * needs.share * 0.5,
            seeded('jdma/besoin/' || need, calendar.day)
        ))) as rank,
        'jdma/besoin/' || need as cause,
        'besoins/' || need as words,
        0.08 as good,
        0.7 as bad
    from calendar
    cross join needs
    union all by name
    select
        event_days.day,
        products.product_id,
        unnest(range(draw(
            calendar.experiences_expected * event_days.outcry * event_days.height * 0.3,
            seeded('jdma/' || event_days.event, event_days.day)
        ))) as rank,
        'jdma/' || event_days.event as cause,
        event_days.positif as good,
        event_days.negatif as bad
    from event_days
    inner join calendar on event_days.day = calendar.day
    inner join products on event_days.service = products.typologie
),
drawn as (
    select
        *,
        hash(seeded(cause, day), rank) as key,
        case
            when u(key, 'ton') < good then 3
            when u(key, 'ton') < good + bad then 1
            else 2
        end as satisfaction,
        paris_to_utc(day + to_seconds(floor(28800 + u(key, 'heure') * 50000)::bigint))
            as created_at
    from persons
)
select
    (day - date '2015-01-01') * 10000
    + row_number() over (partition by day order by created_at, key) as review_id,
    drawn.* exclude (cause, rank, good, bad),
    -- Reviews of the former version whose form was never found again.
    if(product_id = 908 and u(key, 'formulaire') < 0.2, 'undefined', (2 * product_id)::varchar)
        as form_id,
    greatest(1, least(5, satisfaction * 2 - 1 + floor(u(key, 'clarte') * 3)::integer - 1))
        as comprehension,
    u(key, 'aide') < if(satisfaction = 1, 0.6, 0.25) as has_asked,
    if(u(key, 'verbatim') < if(satisfaction = 3, 0.2, 0.45), true, false) as has_verbatim,
    if(u(key, 'retrait') < 0.01, day + 1 + floor(u(key, 'retire le') * 30)::integer, null)
        as deleted_on
from drawn;

create table contacts as
select
    review_id,
    key,
    satisfaction,
    channels.item,
    channels.label
from reviews
inner join channels
    on
        if(
            has_asked,
            channels.item < 17 and u(key, 'canal' || channels.item) < 0.25,
            channels.item = 17
        );

create table answers as
with said as (
    select
        review_id, 'satisfaction' as category, satisfaction as item,
        ['bad', 'medium', 'good'][satisfaction] as intention,
        ['Pas bien', 'Moyen', 'Très bien'][satisfaction] as label,
        null as parent_item, null as parent
    from reviews
    union all
    select
        review_id, 'comprehension', 3 + comprehension, marks.intention, comprehension::varchar,
        null, null
    from reviews
    inner join marks on comprehension = mark
    where u(key, 'clarte repondue') < 0.8
    union all
    select
        review_id, 'contact_tried', item, if(item = 17, 'good', 'neutral'), label, null, null
    from contacts
    union all
    select
        review_id, 'contact_reached', if(is_reached, 17, 18), if(is_reached, 'good', 'bad'),
        if(is_reached, 'Oui', 'Non'), item, label
    from (
        select
            *,
            u(key, 'joint' || item) < 0.3 + 0.15 * satisfaction as is_reached
        from contacts
        where item <= 12
    )
    union all
    select
        review_id, 'contact_satisfaction', 18 + mark, intention,
        ['Très mauvaise', 'Mauvaise', 'Ni bonne, ni mauvaise', 'Bonne', 'Excellente'][mark],
        item, label
    from contacts
    inner join marks
        on mark = greatest(1, least(5, satisfaction * 2 - 1 + floor(u(key, 'aide' || item) * 3) - 1))
    where item <= 12 and u(key, 'joint' || item) < 0.3 + 0.15 * satisfaction
)
select
    reviews.product_id,
    products.product_name,
    reviews.form_id,
    if(reviews.form_id = 'undefined', '', 'Évaluation de la satisfaction usager') as form_name,
    reviews.created_at::date as day,
    reviews.deleted_on,
    said.*
from said
inner join reviews using (review_id)
inner join products using (product_id);

create table exported as
select
    strftime(created_at, '%Y-%m-%d %H:%M:%S') as "Date de l'avis",
    'Évaluation de la satisfaction usager' as "Nom du formulaire",
    'Bouton de fin de démarche' as "Lien d'intégration",
    right(format('{:x}', review_id), 7) as "Identifiant Avis",
    coalesce(told['satisfaction'], '') as "De façon générale, comment ça s'est passé ?",
    coalesce(told['comprehension'], '')
        as "Qu'avez-vous pensé des informations et des instructions fournies ?",
    coalesce(told['contact_tried'], '') as "Durant votre parcours, avez-vous tenté d’obtenir de l’aide par l’un des moyens suivants ?",
    coalesce(told['contact_reached'], '')
        as "Quand vous avez cherché de l'aide, avez-vous réussi à joindre l'administration ?",
    coalesce(told['contact_satisfaction'], '')
        as "Comment évaluez-vous la qualité de l'aide que vous avez obtenue de la part de l'administration ?",
    if(has_verbatim, concat_ws(
        ' ',
        pick(facts.choices, key, 'fait'),
        if(u(key, 'se nomme') < 0.06, pick(personal.choices, key, 'personnel'), null),
        pick(closings.choices, key, 'conclusion')
    ), '') as "Souhaitez-vous nous en dire plus ?",
    if(
        has_verbatim and u(key, 'courriel') < 0.1,
        'demo.' || review_id || '@example.org', ''
    ) as "Adresse mail",
    product_id,
    review_id
from reviews
inner join products using (product_id)
inner join (
    select
        review_id,
        map_from_entries(list((category, said))) as told
    from (
        select
            review_id,
            category,
            string_agg(concat_ws(' : ', parent, label), ' / ' order by coalesce(parent_item, item))
                as said
        from answers
        group by all
    )
    group by review_id
) using (review_id)
inner join phrases as facts
    on
        facts.family
        = coalesce(words, 'services/' || if(typologie = '', 'Masecurite.fr', typologie))
        and facts.tone = ['negatif', 'neutre', 'positif'][satisfaction]
inner join phrases as closings
    on
        closings.family = 'conclusions'
        and closings.tone = ['negatif', 'neutre', 'positif'][satisfaction]
inner join phrases as personal on personal.family = 'personnel'
where deleted_on is null
order by review_id;
