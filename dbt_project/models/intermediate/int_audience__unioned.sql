-- A visit belongs to a site and a view to a page: each is counted where it adds up, and only there.
with piano_visites as (
    select * from {{ ref('stg_piano__visites') }}
),

piano_pages as (
    select * from {{ ref('stg_piano__pages') }}
),

matomo_sites as (
    select * from {{ ref('stg_matomo__sites') }}
),

matomo_visites as (
    select * from {{ ref('stg_matomo__visites') }}
),

matomo_pages as (
    select * from {{ ref('stg_matomo__pages') }}
),

-- Piano cuts one site into parts, that are sites to those who visit them.
piano as (
    select
        site_id,
        site_label,
        cast(null as string) as page,
        jour,
        sum(visites_count) as visites_count,
        cast(null as bigint) as pages_vues_count,
        origine
    from piano_visites
    group by site_id, site_label, jour, origine
    union all
    select
        site_id,
        site_label,
        page,
        jour,
        cast(null as bigint) as visites_count,
        pages_vues_count,
        origine
    from piano_pages
),

matomo as (
    select
        site_id,
        cast(null as string) as page,
        jour,
        visites_count,
        cast(null as bigint) as pages_vues_count,
        origine
    from matomo_visites
    union all
    select
        site_id,
        page,
        jour,
        cast(null as bigint) as visites_count,
        pages_vues_count,
        origine
    from matomo_pages
)

select
    'piano' as source,
    site_id || '/' || site_label as site_id,
    site_label,
    page,
    jour,
    cast(visites_count as bigint) as visites_count,
    pages_vues_count,
    origine
from piano
union all
select
    'matomo' as source,
    matomo.site_id,
    coalesce(matomo_sites.site_label, matomo.site_id) as site_label,
    matomo.page,
    matomo.jour,
    matomo.visites_count,
    matomo.pages_vues_count,
    matomo.origine
from matomo
left join matomo_sites on matomo.site_id = matomo_sites.site_id
