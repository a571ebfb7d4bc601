-- A source may disagree with itself: it is shown and warned, and blocks nothing.
{{ config(severity='warn') }}

select
    source,
    menace,
    mois,
    jours_count,
    departements_count,
    ages_count
from {{ ref('int_signalements__totaux') }}
where not is_concordant
