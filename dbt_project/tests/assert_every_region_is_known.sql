-- A French region under a name that the mapping lacks: its visits are counted, and under no region.
{{ config(severity='warn') }}

select
    region_recue,
    sum(visites_count) as visites_count
from {{ ref('fct_audience__provenances') }}
where
    pays = 'France'
    and region_recue is not null
    and region_code is null
group by region_recue
