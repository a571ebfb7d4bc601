-- A reason without a category is counted as such; somebody should add it to the map.
{{ config(severity='warn') }}

select
    source,
    motif_parent,
    motif,
    sum(contacts_count) as contacts_count
from {{ ref('int_contacts__unioned') }}
where categorie = 'non_classe'
group by source, motif_parent, motif
