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
    case defauts.nature
        when 'arret' then 'La source n''envoie plus rien, ou presque.'
        when 'double' then 'Les comptes de la source ont doublé : elle a pu être lue deux fois.'
        when 'rattrapage' then 'La source rattrape un silence : ce compte est de plusieurs jours.'
    end as phrase,
    cast(
        {{ par_dizaines(
            'defauts.observe_count', compte_des_personnes('defauts.source')
        ) }} as bigint
    ) as observe_count,
    {{ par_dizaines('defauts.attendu_count', compte_des_personnes('defauts.source')) }}
        as attendu_count,
    defauts.origine
from defauts
cross join arrondis
