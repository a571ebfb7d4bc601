-- The story told by most posts about the subject while the signal was open.
with signaux as (
    select * from {{ ref('int_signaux__suivis') }}
    where famille = 'reseaux'
),

groupees as (
    select * from {{ ref('int_publications__groupees') }}
),

publications as (
    select * from {{ ref('int_publications__unioned') }}
    where sujet is not null
),

histoires as (
    select * from {{ ref('int_histoires__decrites') }}
    where montee_at is not null
),

candidates as (
    select
        signaux.signal_id,
        groupees.histoire_id,
        count(*) as publications_count
    from signaux
    inner join publications
        on
            signaux.sujet = publications.sujet
            and publications.publie_at
            between signaux.ouvert_at - interval '1 day' and signaux.maj_at
    inner join groupees
        on
            publications.plateforme = groupees.plateforme
            and publications.publication_id = groupees.publication_id
    inner join histoires on groupees.histoire_id = histoires.histoire_id
    group by signaux.signal_id, groupees.histoire_id
),

rangees as (
    select
        signal_id,
        histoire_id,
        publications_count,
        row_number() over (
            partition by signal_id order by publications_count desc, histoire_id asc
        ) as rang
    from candidates
)

select
    signal_id,
    histoire_id,
    publications_count
from rangees
where rang = 1
