with methodes as (
    select * from {{ ref('ref_methodes') }}
),

seuils as (
    select * from {{ ref('taxo_seuils') }}
)

select
    methode_id,
    parametre,
    valeur,
    version as methode_version,
    description
from methodes
union all
select
    'publication' as methode_id,
    seuil as parametre,
    cast(valeur as double) as valeur,
    1 as methode_version,
    raison as description
from seuils
