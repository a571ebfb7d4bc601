{% set tables = [
    ('services_publics_plus', 'stg_services_publics_plus__experiences', jour_paris('publie_at')),
    ('avis_google', 'stg_avis_google__avis', jour_paris('publie_at')),
    ('avis_google', 'stg_avis_google__unites', 'cast(null as date)'),
    ('avis_google', 'stg_avis_google__groupes', 'cast(null as date)'),
    ('jedonnemonavis', 'stg_jedonnemonavis__avis', 'cree_le'),
    ('jedonnemonavis', 'stg_jedonnemonavis__demarches', 'cast(null as date)'),
    ('jedonnemonavis', 'stg_jedonnemonavis__reponses', 'jour'),
    ('perceval', 'stg_perceval__signalements_quotidiens', 'jour'),
    ('perceval', 'stg_perceval__montants_quotidiens', 'jour'),
    ('perceval', 'stg_perceval__signalements_departements', 'mois'),
    ('perceval', 'stg_perceval__signalements_ages', 'mois'),
    ('ma_gendarmerie', 'stg_ma_gendarmerie__contacts', jour_paris('contact_at')),
    ('pre_plainte', 'stg_pre_plainte__declarations', jour_paris('debut_at')),
    ('campagnes', 'stg_campagnes__campagnes', 'debut_le'),
    ('moyens', 'stg_moyens__moyens', 'debut_le'),
    ('signalements_agreges', 'stg_signalements_agreges__releves', 'debut_le'),
    ('triage', 'stg_triage__verdicts', jour_paris('dit_at')),
    ('x', 'stg_x__comptes', 'jour'),
    ('x', 'stg_x__volumes', jour_paris('debut_at')),
    ('x', 'stg_x__publications', jour_paris('publie_at')),
    ('mastodon', 'stg_mastodon__comptes', 'jour'),
    ('mastodon', 'stg_mastodon__publications', jour_paris('publie_at')),
    ('mastodon', 'stg_mastodon__tendances', 'jour'),
    ('bluesky', 'stg_bluesky__comptes', 'jour'),
    ('bluesky', 'stg_bluesky__publications', jour_paris('publie_at')),
    ('youtube', 'stg_youtube__comptes', 'jour'),
    ('youtube', 'stg_youtube__publications', jour_paris('publie_at')),
    ('facebook', 'stg_facebook__comptes', 'jour'),
    ('facebook', 'stg_facebook__publications', jour_paris('publie_at')),
    ('instagram', 'stg_instagram__comptes', 'jour'),
    ('instagram', 'stg_instagram__portees', 'jour'),
    ('linkedin', 'stg_linkedin__comptes', 'jour'),
    ('linkedin', 'stg_linkedin__portees', 'jour'),
    ('piano', 'stg_piano__visites', 'jour'),
    ('piano', 'stg_piano__pages', 'jour'),
    ('piano', 'stg_piano__provenances', 'mois'),
    ('matomo', 'stg_matomo__sites', 'cast(null as date)'),
    ('matomo', 'stg_matomo__visites', 'jour'),
    ('matomo', 'stg_matomo__pages', 'jour'),
    ('ssmsi', 'stg_ssmsi__delinquance', 'make_date(annee, 12, 31)'),
    ('structures', 'stg_structures__structures', 'cast(null as date)'),
    ('unites', 'stg_unites__unites', 'cast(null as date)'),
    ('competences', 'stg_competences__competences', 'cast(null as date)'),
    ('observatoire', 'stg_observatoire__editions', 'fin_le'),
    ('observatoire', 'stg_observatoire__demarches', 'cast(null as date)'),
    ('observatoire', 'stg_observatoire__indicateurs', 'cast(null as date)'),
    ('geographie', 'stg_geographie__communes', 'cast(null as date)'),
    ('geographie', 'stg_geographie__departements', 'cast(null as date)'),
    ('geographie', 'stg_geographie__regions', 'cast(null as date)'),
] %}

with lignes as (
    {% for source, table, date in tables %}
        select
            '{{ source }}' as source,
            {{ date }} as donnee_le,
            origine
        from {{ ref(table) }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

select
    source,
    count(*) as lignes_count,
    max(donnee_le) as derniere_donnee_le,
    max(origine) as origine
from lignes
group by source
