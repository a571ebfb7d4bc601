-- One row per experience shared on Services Publics+, with the names of the Explore API.
-- What comes after publication (answer, votes, action) carries its date: the server hides it before.

create macro shown(tone) as
    case tone
        when 'positif' then 'Positif' when 'neutre' then 'Neutre' when 'negatif' then 'Négatif'
    end;

create macro tone_of_tag(ressenti, draw) as case
    when ressenti = 'positif' then if(draw < 0.9, 'positif', if(draw < 0.93, 'neutre', 'negatif'))
    when ressenti = 'negatif' then if(draw < 0.06, 'positif', if(draw < 0.09, 'neutre', 'negatif'))
    else if(draw < 0.35, 'positif', if(draw < 0.65, 'neutre', 'negatif'))
end;

create macro tag(key, name, share, main, ressenti) as
    if(main = name or u(key, name) < share, tone_of_tag(ressenti, u(key, name || '/ton')), null);

create table experiences as
with
persons as (
    select
        day,
        unnest(range(draw(experiences_expected, seeded('experiences', day)))) as rank,
        'experiences' as cause,
        null as kind,
        null as service,
        null as positif,
        null as negatif,
        null as told,
        0 as elsewhere,
        []::varchar[] as departements
    from calendar
    union all by name
    select
        calendar.day,
        unnest(range(draw(
            calendar.experiences_expected * needs.share, seeded('besoin/' || need, calendar.day)
        ))) as rank,
        'besoin/' || need as cause,
        'Brigade de gendarmerie' as service,
        0.08 as positif,
        0.7 as negatif,
        'besoins/' || need as told,
        elsewhere,
        departements
    from calendar
    cross join needs
    union all by name
    select
        event_days.day,
        unnest(range(draw(
            calendar.experiences_expected * event_days.outcry * event_days.height,
            seeded(event_days.event, event_days.day)
        ))) as rank,
        event_days.event as cause,
        event_days.kind,
        event_days.service,
        event_days.positif,
        event_days.negatif,
        'evenements/' || event_days.kind as told,
        0 as elsewhere,
        event_days.departements
    from event_days
    inner join calendar on event_days.day = calendar.day
),
drawn as (
    select
        *,
        hash(seeded(cause, day), rank) as key,
        u(key, 'service') as service_draw,
        u(key, 'departement') as departement_draw
    from persons
),
chosen as (
    select
        drawn.* exclude (service, departements, elsewhere),
        coalesce(drawn.service, services.service) as service,
        if(
            u(drawn.key, 'ailleurs') < drawn.elsewhere,
            departements.code,
            coalesce(pick(drawn.departements, drawn.key, 'lieu'), departements.code)
        ) as code
    from drawn
    asof inner join services on drawn.service_draw >= services.threshold
    asof inner join departements on drawn.departement_draw >= departements.threshold
),
described as (
    select
        chosen.* exclude (positif, negatif, code),
        services.lieu,
        coalesce(chosen.positif, services.positif) as positive_share,
        coalesce(chosen.negatif, services.negatif) as negative_share,
        case
            when u(key, 'ton') < positive_share then 'positif'
            when u(key, 'ton') < positive_share + negative_share then 'negatif'
            else 'neutre'
        end as ressenti,
        services.lieu = 'etranger' as is_abroad,
        departements.* exclude (threshold),
        pick([
            'accessibilite', 'accessibilite', 'accessibilite', 'simplicite', 'simplicite',
            'information', 'relation', 'reactivite'
        ], key, 'aspect') as main,
        pick(
            ['accessibilite', 'simplicite', 'information', 'relation', 'reactivite'],
            key, 'second'
        ) as second,
        chosen.kind is null and u(key, 'attente') < 0.6 as is_older
    from chosen
    inner join services on chosen.service = services.service
    inner join departements on chosen.code = departements.code
),
dated as (
    select
        *,
        tag(key, 'accessibilite', 0.62, main, ressenti) as accessibilite,
        tag(key, 'information', 0.25, main, ressenti) as information,
        tag(key, 'relation', 0.18, main, ressenti) as relation,
        tag(key, 'reactivite', 0.20, main, ressenti) as reactivite,
        tag(key, 'simplicite', 0.40, main, ressenti) as simplicite,
        paris_to_utc(
            day
            + to_hours(pick([
                8, 9, 9, 10, 10, 10, 11, 11, 12, 13, 14, 14, 15, 15, 16, 16, 17, 17, 18, 19
            ], key, 'heure'))
            + to_seconds(floor(u(key, 'secondes') * 3600))
        ) as published_at,
        if(is_older, paris_to_utc(
            day - to_days(1 + floor(u(key, 'retard') * 4)::integer)
            + to_hours(pick([
                0, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 18, 19, 20, 20, 21, 21, 22, 23
            ], key, 'heure ecrite'))
            + to_seconds(floor(u(key, 'secondes ecrites') * 3600))
        ), published_at - to_minutes(10 + floor(u(key, 'retard') * 200)::integer)) as written_at,
        if(
            u(key, 'reponse') < if(service in ('ANTAI', 'ANTS', 'CAF', 'Préfecture'), 0.55, 0.74),
            paris_to_utc(
                day
                + to_days(greatest(1, least(
                    85, round(exp(ln(8) + 0.75 * normal(key, 'delai')))
                ))::integer)
                + to_minutes(540 + floor(u(key, 'heure de reponse') * 500)::integer)
            ),
            null
        ) as answered_at
    from described
),
tagged as (
    select
        *,
        case main
            when 'accessibilite' then accessibilite when 'information' then information
            when 'relation' then relation when 'reactivite' then reactivite else simplicite
        end as main_tone,
        case second
            when 'accessibilite' then accessibilite when 'information' then information
            when 'relation' then relation when 'reactivite' then reactivite else simplicite
        end as second_tone,
        case
            when u(key, 'hors structure') < 0.1 then null
            when lieu = 'local' and service = 'Brigade de gendarmerie'
                then 'Groupement de gendarmerie départementale/' || code
            when lieu = 'local' then service || '/' || code
            when lieu = 'region' then service || '/' || region_code
            else service || '/'
        end as scope,
        answered_at is not null and u(key, 'action') < 0.06 as has_action,
        row_number() over (partition by day order by published_at, key) as rank_of_day
    from dated
),
worded as (
    select
        tagged.*,
        concat_ws(
            ' ',
            if(u(key, 'ouvre') < 0.6, pick(openings.choices, key, 'ouverture'), null),
            pick(facts.choices, key, 'fait'),
            if(
                u(key, 'situe') < 0.25 and not is_abroad,
                replace(pick(places.choices, key, 'phrase'), '{ville}', pick(villes, key, 'ville')),
                null
            ),
            if(u(key, 'detaille') < 0.85, pick(mains.choices, key, 'detail'), null),
            if(
                second != main and u(key, 'ajoute') < 0.5,
                pick(seconds.choices, key, 'ajout'), null
            ),
            if(u(key, 'se nomme') < 0.05, pick(personal.choices, key, 'personnel'), null),
            if(u(key, 'conclut') < 0.7, pick(closings.choices, key, 'conclusion'), null)
        ) as text,
        pick(subjects.choices, key, 'sujet') as subject,
        pick(titles.choices, key, 'titre') as title,
        pick(replies.choices, key, 'replique') as reply,
        pick(jobs.choices, key, 'metier') as job
    from tagged
    inner join phrases as openings on openings.family = 'ouvertures'
    inner join phrases as places on places.family = 'lieux'
    inner join phrases as personal on personal.family = 'personnel'
    inner join phrases as jobs on jobs.family = 'tags_metiers'
    inner join phrases as facts
        on facts.family = coalesce(told, 'services/' || service)
        and facts.tone = tagged.ressenti
    inner join phrases as mains on mains.family = 'aspects/' || main and mains.tone = main_tone
    left join phrases as seconds
        on seconds.family = 'aspects/' || second and seconds.tone = second_tone
    inner join phrases as closings
        on closings.family = 'conclusions' and closings.tone = tagged.ressenti
    inner join phrases as titles on titles.family = 'titres' and titles.tone = tagged.ressenti
    inner join phrases as replies on replies.family = 'reponses' and replies.tone = tagged.ressenti
    inner join phrases as subjects on subjects.family = 'sujets/' || service
)
select
    (worded.day - date '2015-01-01') * 100000 + rank_of_day as id_experience,
    if(answered_at is null, 'A traiter', 'Traitées') as etat_experience,
    if(answered_at is null, 'Expérience en attente de réponse', 'Expérience avec réponse')
        as statut_de_l_experience,
    published_at as date_de_publication,
    written_at as ecrit_le,
    'Usager ' || (1000 + floor(u(key, 'pseudonyme') * 9000)::integer) as pseudonyme_usager,
    case
        when u(key, 'forme') < 0.7 then subject || ' : ' || title
        when u(key, 'forme') < 0.85 then subject
        else upper(title[1]) || title[2:]
    end as titre,
    text as description,
    case
        when u(key, 'poste') < 0.91 then 'La personne concernée'
        when u(key, 'poste') < 0.99 then 'Un proche de la personne concernée'
        else 'Un agent de médiation'
    end as poste_comme,
    shown(ressenti) as ressenti_usager,
    if(is_placed, code, null) as code_insee_departement_usager,
    if(is_placed, nom, null) as intitule_departement_usager,
    if(is_placed, region_nom, null) as intitule_region_usager,
    if(is_placed, region_code, null) as code_insee_region_usager,
    if(
        is_abroad,
        pick(['Suisse', 'Allemagne', 'États-unis', 'Royaume-uni', 'Espagne', 'Canada', 'Belgique'],
            key, 'pays'),
        'France'
    ) as pays,
    service as intitule_typologie_1,
    if(u(key, 'code postal') < 0.2 and lieu = 'local', code_postal, null)
        as code_postal_typologie_1,
    if(lieu = 'local', 'France', null) as pays_typologie_1,
    pick(if(lieu in ('local', 'region'), [
        'Accueil', 'Accueil', 'Téléphone', 'Accueil,Téléphone', 'Courrier', 'E-mail,Accueil'
    ], [
        'Démarche en ligne', 'Démarche en ligne', 'Démarche en ligne,E-mail', 'E-mail',
        'Compte ou espace personnel', 'Compte ou espace personnel,Démarche en ligne',
        'Démarche en ligne,Téléphone', 'Téléphone'
    ]), key, 'canaux') as canaux_typologie_1,
    if(other_service = service, null, other_service) as intitule_typologie_2,
    null::varchar as code_postal_typologie_2,
    null::varchar as pays_typologie_2,
    if(intitule_typologie_2 is null, null, pick(['Accueil', 'Téléphone', 'Démarche en ligne'],
        key, 'autres canaux')) as canaux_typologie_2,
    null::varchar as intitule_typologie_3,
    null::varchar as code_postal_typologie_3,
    null::varchar as pays_typologie_3,
    null::varchar as canaux_typologie_3,
    if(structures.id is null, 'Oui', 'Non') as hors_structure,
    coalesce(structures.id, getvariable('outside_id')) as id_structure_1,
    coalesce(structures.label, getvariable('outside_label')) as intitule_structure_1,
    if(answered_at is null, 0, greatest(0, floor(u(key, 'utile') * 8 - 5))::integer)
        as evaluation_utile_reponse_structure_1_par_visiteurs,
    if(answered_at is null, 0, greatest(0, floor(u(key, 'inutile') * 8 - 6))::integer)
        as evaluation_inutile_reponse_structure_1_par_visiteurs,
    if(
        answered_at is not null and u(key, 'evalue') < 0.12,
        if(u(key, 'evaluation') < if(ressenti = 'negatif', 0.35, 0.8), 'utile', 'pas utile'), null
    ) as evaluation_reponse_structure_1_par_auteur,
    null::varchar as id_structure_2,
    null::varchar as intitule_structure_2,
    null::varchar as id_structure_3,
    null::varchar as intitule_structure_3,
    shown(accessibilite) as accessibilite,
    shown(information) as information_explication,
    shown(relation) as relation,
    shown(reactivite) as reactivite,
    shown(simplicite) as simplicite_complexite,
    floor(10 * pow(u(key, 'similaires'), 6))::integer as experiences_similaires,
    if(u(key, 'amelioration') < 0.04, 'Oui', 'Non') as amelioration_de_service_a_considerer,
    if(has_action, pick([
        'Mise à jour de la page concernée', 'Rappel des consignes d''accueil',
        'Ouverture de créneaux supplémentaires', 'Correction du formulaire'
    ], key, 'nature de l''action'), null) as action,
    if(has_action, answered_at::date + 20, null) as date_action_realisee,
    if(has_action, answered_at::date, null) as date_action_engagee,
    if(u(key, 'tague') < 0.08, job, null) as tags_metiers,
    if(u(key, 'demarche') < 0.1, subject, null) as demarches_saisies_par_usager,
    if(answered_at is null, null, 'Publiée') as statut_reponse_structure_1,
    if(answered_at is null, null, reply) as reponse_structure_1,
    null::varchar as reponse_structure_2,
    null::varchar as reponse_structure_3,
    answered_at as date_de_premiere_reponse
from (
    select
        *,
        not is_abroad and u(key, 'place') < 0.5 as is_placed,
        if(u(key, 'autre') < 0.08, pick([
            'Masecurite.fr', 'Préfecture', 'COMMISSARIAT DE POLICE', 'Brigade de gendarmerie',
            'Pré-plainte en ligne (PPEL)', 'Service-public.fr'
        ], key, 'autre service'), null) as other_service
    from worded
) as worded
left join structures on worded.scope = structures.scope
order by id_experience;
