with defauts as (
    select * from {{ ref('int_sources__defauts') }}
),

arrondis as (
    select * from {{ ref('taxo_seuils') }}
    where seuil = 'arrondi_lignes'
)

select
    defauts.source,
    defauts.jour,
    defauts.nature,
    defauts.phrase,
    cast(
        {{ par_dizaines(
            'defauts.observe_count', compte_des_personnes('defauts.source')
        ) }} as bigint
    ) as observe_count,
    {{ par_dizaines('defauts.attendu_count', compte_des_personnes('defauts.source')) }}
        as attendu_count,
    defauts.series_count,
    defauts.origine
from defauts
cross join arrondis
