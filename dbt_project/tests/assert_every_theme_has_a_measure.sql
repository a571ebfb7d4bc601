-- A campaign whose theme names no measure is not judged; somebody should add it to the map.
{{ config(severity='warn') }}

select
    theme,
    count(*) as campagnes_count
from {{ ref('int_campagnes__mesurees') }}
where mesure_id is null
group by theme
