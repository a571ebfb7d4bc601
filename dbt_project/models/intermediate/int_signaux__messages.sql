{{ config(tags=['heure']) }}

-- What people say of it: public, redacted at the door, and gone with the text after 30 days.
with signaux as (
    select * from {{ ref('int_signaux__suivis') }}
    where famille = 'reseaux'
),

publications as (
    select * from {{ ref('int_publications__unioned') }}
    where sujet is not null and texte is not null and {{ charge_depuis(40) }}
),

lieux_cites as (
    select * from {{ ref('int_lieux__lus') }}
),

seuils as (
    {{ seuils('signaux', ['messages_jours', 'messages_max', 'extrait_max']) }}
),

proches as (
    select
        signaux.signal_id,
        publications.plateforme as source,
        publications.sujet,
        lieux_cites.departement_code,
        publications.publie_at,
        left(publications.texte, cast(seuils.extrait_max as integer)) as extrait,
        seuils.messages_max,
        row_number() over (
            partition by signaux.signal_id
            order by
                coalesce(
                    contains(signaux.departements_codes, lieux_cites.departement_code), false
                ) desc,
                coalesce(publications.partages_count, 0) desc,
                publications.publie_at asc,
                publications.publication_id asc
        ) as rang
    from signaux
    inner join publications on signaux.sujet = publications.sujet
    cross join seuils
    left join lieux_cites
        on publications.plateforme || ':' || publications.publication_id = lieux_cites.message_id
    where
        publications.publie_at between signaux.ouvert_at - interval '1 day' and signaux.maj_at
        and publications.publie_at
        >= {{ aujourd_hui() }} - interval '1 day' * cast(seuils.messages_jours as integer)
)

select
    signal_id,
    source,
    sujet,
    departement_code,
    publie_at,
    extrait,
    cast(100 + rang as integer) as rang
from proches
where rang <= messages_max
