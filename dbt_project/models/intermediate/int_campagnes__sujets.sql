with campagnes as (
    select * from {{ ref('stg_campagnes__campagnes') }}
),

correspondances as (
    select * from {{ ref('map_series__sujets') }}
    where famille = 'campagnes'
)

select
    correspondances.sujet,
    campagnes.debut_le,
    campagnes.fin_le,
    coalesce(campagnes.departements, '') as departements,
    campagnes.theme || coalesce(' (' || campagnes.canal || ')', '') as campagne_label
from campagnes
inner join correspondances on lower(campagnes.theme) like correspondances.motif
