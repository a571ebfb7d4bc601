-- What somebody would write by hand in DuckDB, to make the tables of rebuild.OUTPUTS and no other:
-- no view a source, no table a step, no contract, no test. `raw` and `wh` are attached.
create macro utc(instant) as instant at time zone 'UTC';
create macro jour_paris(utc_at) as
    cast(utc_at at time zone 'UTC' at time zone 'Europe/Paris' as date);
create macro mois(jour) as cast(date_trunc('month', jour) as date);
create macro polarite(mot) as case
    when mot in ('Positif', 'Très bien', '5', '4') then 'positif'
    when mot in ('Neutre', 'Moyen', '3') then 'neutre'
    when mot in ('Négatif', 'Pas bien', '2', '1') then 'negatif'
end;
create macro demarche(titre) as regexp_replace(titre, '[^A-Za-z0-9-]+', '_', 'g');
create macro aujourd_hui() as cast(current_timestamp at time zone 'Europe/Paris' as date);

create temp table perimetre as
select
    list(lower(libelle)) filter (objet = 'typologie') as typologies,
    list(lower(libelle)) filter (objet = 'structure') as structures,
    (
        select list(structure_id) from wh.intermediate.int_structures__localisees
        where is_gendarmerie
    ) as gendarmeries
from wh.seeds.ref_perimetre_gendarmerie;

create temp table avis as
with recus as (
    select
        'jedonnemonavis:' || avis_id || '/' || cree_le as avis_id,
        'jedonnemonavis' as source,
        coalesce(utc(cree_at), cast(cree_le as timestamp)) as publie_at,
        jour_paris(coalesce(utc(cree_at), cast(cree_le as timestamp))) as jour,
        null as titre,
        verbatim as texte,
        coalesce(demarches.title, replace(avis.demarche, '_', ' ')) as service_label,
        null as structure_id,
        null as structure_label,
        polarite(satisfaction) as ressenti,
        true as is_perimetre_gendarmerie,
        null as is_repondu,
        null as delai_reponse_jours,
        avis._origine as origine
    from raw.raw_jedonnemonavis.avis
    left join (
        select demarche(title) as demarche, min(title) as title
        from raw.raw_jedonnemonavis.services group by 1
    ) as demarches on avis.demarche = demarches.demarche
    union all
    select
        'avis_google:' || reviews.id,
        'avis_google',
        utc("date"),
        jour_paris(utc("date")),
        null,
        content,
        null,
        null,
        businesses.name,
        polarite(cast(rating as varchar)),
        true,
        reply_date is not null,
        date_diff('day', jour_paris(utc("date")), jour_paris(utc(reply_date))),
        reviews._origine
    from raw.raw_avis_google.reviews
    left join raw.raw_avis_google.businesses on reviews.business_id = businesses.id
    where coalesce(state, '') != 'deleted' and delete_date is null
    union all
    select
        'services_publics_plus:' || experience_id,
        'services_publics_plus',
        utc(publie_at),
        jour_paris(utc(publie_at)),
        titre,
        description,
        coalesce(typologie_1, typologie_2, typologie_3),
        structure_1_id,
        structure_1,
        polarite(ressenti),
        coalesce(
            list_has_any(
                [lower(typologie_1), lower(typologie_2), lower(typologie_3)], typologies
            )
            or list_has_any(
                [lower(structure_1), lower(structure_2), lower(structure_3)], structures
            )
            or list_has_any([structure_1_id, structure_2_id, structure_3_id], gendarmeries),
            false
        ),
        coalesce(statut = 'Expérience avec réponse', false)
        or reponse_structure_1 is not null or reponse_structure_2 is not null
        or reponse_structure_3 is not null or premiere_reponse_at is not null,
        date_diff('day', jour_paris(utc(publie_at)), jour_paris(utc(premiere_reponse_at))),
        _origine
    from raw.raw_services_publics_plus.experiences
    cross join perimetre
)
select
    recus.*,
    localises.departement_code,
    coalesce(localises.geo_precision, 'inconnu') as geo_precision
from recus
left join wh.intermediate.int_avis__localises as localises using (avis_id);

create temp view publications as
select
    'x' as plateforme, id as publication_id, utc(created_at) as publie_at, sujet, text as texte,
    impression_count as vues, reply_count as reponses, repost_count as partages,
    like_count as appreciations, quote_count as citations, _origine as origine
from raw.raw_x.tweets
union all
select
    'mastodon', uri, utc(created_at), sujet, text, null, replies_count, reblogs_count,
    favourites_count, quotes_count, _origine
from raw.raw_mastodon.statuses
union all
select
    'bluesky', uri, utc(indexed_at), sujet, text, null, reply_count, repost_count, like_count,
    quote_count, _origine
from raw.raw_bluesky.posts
union all
select
    'youtube', id, utc(published_at), null, title, view_count, comment_count, null, like_count,
    null, _origine
from raw.raw_youtube.videos
union all
select
    'facebook', id, utc(created_at), null, message, null, comments_count, shares_count,
    reactions_count, null, _origine
from raw.raw_facebook.posts;

create table int_messages__unioned as
with premieres as (
    select plateforme, publication_id, min(sujet) as sujet
    from publications
    where sujet is not null and texte is not null
    group by all
),
situees as (
    select message_id, departement_code
    from wh.intermediate.int_lieux__cites
    where confiance >= (
        select valeur from wh.seeds.ref_methodes
        where methode_id = 'lieux' and parametre = 'confiance_min'
    )
)
select
    avis_id as message_id,
    'avis' as famille,
    source,
    coalesce(titre || '. ', '') || coalesce(texte, '') as texte,
    publie_at as ecrit_at,
    jour,
    departement_code,
    geo_precision,
    is_perimetre_gendarmerie,
    ressenti,
    origine
from avis
where coalesce(titre, texte) is not null
union all
select
    plateforme || ':' || publication_id,
    'reseaux',
    plateforme,
    texte,
    publie_at,
    jour_paris(publie_at),
    departement_code,
    case when departement_code is null then 'inconnu' else 'texte' end,
    true,
    null,
    origine
from publications
inner join premieres using (plateforme, publication_id, sujet)
left join situees on plateforme || ':' || publication_id = message_id
where texte is not null;

create table fct_publications as
select
    plateforme,
    sujet,
    mois(jour_paris(publie_at)) as mois,
    count(*) as publications_count,
    cast(sum(vues) as bigint) as vues_count,
    cast(sum(appreciations) as bigint) as appreciations_count,
    cast(sum(reponses) as bigint) as reponses_count,
    cast(sum(partages) as bigint) as partages_count,
    cast(sum(citations) as bigint) as citations_count,
    origine
from publications
group by all;

create table fct_volumes_sociaux as
select
    'x' as plateforme, sujet, utc(start_at) as heure_at, post_count as messages_count,
    _origine as origine
from raw.raw_x.tweet_counts
union all
select plateforme, sujet, date_trunc('hour', publie_at), count(*), origine
from publications
where plateforme in ('mastodon', 'bluesky')
group by all;

create table fct_volumes_sociaux__quotidiens as
select
    plateforme, sujet, jour_paris(heure_at) as jour,
    cast(sum(messages_count) as bigint) as messages_count, origine
from fct_volumes_sociaux
group by all;

create temp table avis_publics as
select
    source, mois(jour) as mois, jour, departement_code, is_perimetre_gendarmerie, service_label,
    structure_id, structure_label, ressenti, is_repondu, delai_reponse_jours, origine
from avis
where source != 'jedonnemonavis';

create table fct_avis__delais as
select
    source, mois, is_perimetre_gendarmerie, cast(delai_reponse_jours as integer)
        as delai_reponse_jours, count(*) as avis_count, origine
from avis_publics
where delai_reponse_jours is not null
group by all;

create table fct_avis__mensuels as
select
    source, mois, departement_code, is_perimetre_gendarmerie,
    count(*) as avis_count,
    count(*) filter (ressenti = 'positif') as positifs_count,
    count(*) filter (ressenti = 'neutre') as neutres_count,
    count(*) filter (ressenti = 'negatif') as negatifs_count,
    count(*) filter (is_repondu) as repondus_count,
    count(delai_reponse_jours) as delais_count,
    cast(sum(delai_reponse_jours) as bigint) as delais_jours,
    origine
from avis_publics
group by all;

create table fct_avis__quotidiens as
select
    source, jour, is_perimetre_gendarmerie,
    count(*) as avis_count,
    count(*) filter (ressenti = 'positif') as positifs_count,
    count(*) filter (ressenti = 'neutre') as neutres_count,
    count(*) filter (ressenti = 'negatif') as negatifs_count,
    count(*) filter (is_repondu) as repondus_count,
    origine
from avis_publics
group by all;

create table fct_avis__services as
select
    source, mois, service_label, is_perimetre_gendarmerie,
    count(*) as avis_count,
    count(*) filter (ressenti = 'positif') as positifs_count,
    count(*) filter (ressenti = 'neutre') as neutres_count,
    count(*) filter (ressenti = 'negatif') as negatifs_count,
    count(*) filter (is_repondu) as repondus_count,
    origine
from avis_publics
group by all;

create table fct_avis__structures as
select
    source, mois, structure_id, structure_label, is_perimetre_gendarmerie,
    count(*) as avis_count,
    count(*) filter (ressenti = 'positif') as positifs_count,
    count(*) filter (ressenti = 'neutre') as neutres_count,
    count(*) filter (ressenti = 'negatif') as negatifs_count,
    count(*) filter (is_repondu) as repondus_count,
    origine
from avis_publics
group by all;

create temp table contacts as
select
    'ma_gendarmerie' as source,
    coalesce(categorie, 'non_classe') as categorie,
    contacts.motif_parent,
    contacts.motif,
    jour_paris(utc("date")) as jour,
    count(*) as contacts_count,
    _origine as origine
from raw.raw_ma_gendarmerie.contacts
left join wh.seeds.map_ma_gendarmerie__categories as categories
    on
        lower(contacts.motif_parent) = lower(categories.motif_parent)
        and lower(contacts.motif) = lower(categories.motif)
group by all;

create table int_contacts__quotidiens as
select
    source, mois(jour) as mois, jour, cast(sum(contacts_count) as bigint) as contacts_count, origine
from contacts
where mois(jour) < date_trunc('month', aujourd_hui())
group by all;

create table int_contacts__mensuels as
select
    source, mois(jour) as mois, categorie, motif_parent, motif,
    cast(sum(contacts_count) as bigint) as contacts_count, origine
from contacts
where mois(jour) < date_trunc('month', aujourd_hui())
group by all;

create table fct_besoins as
with analyses as (
    select * from wh.intermediate.int_messages__analyses
),
-- What is counted one message at a time is counted before it is told.
demandes as (
    select
        besoins.code as besoin_code,
        messages.departement_code,
        'semaine' as grain,
        cast(date_trunc('week', messages.jour) as date) as debut_le,
        messages.famille,
        count(*) as messages_count,
        count(*) filter (tonalites.code = 'positif') as positifs_count,
        count(*) filter (tonalites.code = 'neutre') as neutres_count,
        count(*) filter (tonalites.code = 'negatif') as negatifs_count,
        count(is_repondu) as repondables_count,
        count(*) filter (not is_repondu) as sans_reponse_count,
        false as is_masque,
        min(messages.origine) as origine
    from int_messages__unioned as messages
    inner join analyses as besoins
        on messages.message_id = besoins.message_id and besoins.axe = 'besoins'
    left join analyses as tonalites
        on messages.message_id = tonalites.message_id and tonalites.axe = 'tonalite'
    left join avis on messages.message_id = avis.avis_id
    where messages.source != 'jedonnemonavis' and messages.is_perimetre_gendarmerie
    group by all
    union all
    select
        coalesce(besoin_code, 'indetermine'), null, 'mois', mois, 'contacts', contacts_count,
        null, null, null, 0, 0, is_masque, origine
    from wh.intermediate.int_contacts__publies as contacts
    left join wh.seeds.map_ma_gendarmerie__besoins as motifs
        on
            lower(contacts.motif_parent) = lower(motifs.motif_parent)
            and lower(contacts.motif) = lower(motifs.motif)
    union all
    select
        coalesce(besoin_code, 'indetermine'), departement_code, 'mois', mois, 'signalements',
        signalements_count, null, null, null, 0, 0, is_masque, origine
    from (
        select source, menace, mois, departement_code, signalements_count, is_masque, origine
        from wh.intermediate.int_signalements__publies
        union all
        select
            source, menace, debut_le, departement_code, signalements_count, is_masque, origine
        from wh.intermediate.int_signalements__releves_publies as releves
        where grain = 'mois' and not exists (
            from wh.intermediate.int_signalements__releves_publies as quotidiens
            where grain = 'jour' and quotidiens.service = releves.service
        )
    ) as signales
    left join wh.seeds.map_menaces__besoins as menaces using (source, menace)
)
select
    besoin_code, departement_code, grain, debut_le, famille,
    cast(sum(messages_count) as bigint) as messages_count,
    cast(sum(positifs_count) as bigint) as positifs_count,
    cast(sum(neutres_count) as bigint) as neutres_count,
    cast(sum(negatifs_count) as bigint) as negatifs_count,
    cast(sum(repondables_count) as bigint) as repondables_count,
    cast(sum(sans_reponse_count) as bigint) as sans_reponse_count,
    bool_or(is_masque) as is_masque,
    min(origine) as origine
from demandes
group by all;
