{{ config(meta={'dagster': {'ref': {'name': 'fct_campagnes__periodes'}}}) }}

with campagnes as (
    select * from {{ ref('fct_campagnes') }}
    where conclusion != 'non_estimable'
),

periodes as (
    select
        campagne_id,
        observe_count,
        effet_cumule_count,
        row_number() over (partition by campagne_id order by debut_le desc) as rang
    from {{ ref('fct_campagnes__periodes') }}
    where phase = 'campagne'
),

sommes as (
    select
        campagne_id,
        sum(observe_count) as observe_count,
        max(case when rang = 1 then effet_cumule_count end) as effet_count
    from periodes
    group by campagne_id
)

select
    campagnes.campagne_id,
    campagnes.observe_count,
    sommes.observe_count as periodes_observe_count,
    campagnes.effet_count,
    sommes.effet_count as periodes_effet_count
from campagnes
left join sommes
    on campagnes.campagne_id = sommes.campagne_id
where
    sommes.observe_count is distinct from campagnes.observe_count
    or sommes.effet_count is distinct from campagnes.effet_count
