{% set mesures = ['messages_count', 'positifs_count', 'neutres_count', 'negatifs_count'] %}

-- By month, more is known of where: Percev@l tells its départements, and some services only that.
with quotidiennes as (
    select * from {{ ref('int_demandes__unioned') }}
    where famille != 'signalements'
),

ventiles as (
    select * from {{ ref('int_signalements__ventiles') }}
    where axe = 'departement'
),

releves as (
    select * from {{ ref('int_signalements__releves') }}
    where signalements_count is not null
),

-- Two grains of one service are the same reports.
services_quotidiens as (
    select distinct service
    from releves
    where grain = 'jour'
),

menaces as (
    select * from {{ ref('map_menaces__besoins') }}
),

signalements as (
    select
        source,
        menace,
        mois,
        modalite as departement_code,
        signalements_count,
        origine
    from ventiles
    union all
    select
        releves.source,
        releves.menace,
        releves.debut_le as mois,
        releves.departement_code,
        releves.signalements_count,
        releves.origine
    from releves
    left join services_quotidiens
        on releves.service = services_quotidiens.service
    where releves.grain = 'mois' and services_quotidiens.service is null
),

demandes as (
    select
        famille,
        {{ mois('jour') }} as mois,
        departement_code,
        besoin_code,
        {{ mesures | join(', ') }},
        origine
    from quotidiennes
    union all
    select
        'signalements' as famille,
        signalements.mois,
        signalements.departement_code,
        coalesce(menaces.besoin_code, 'indetermine') as besoin_code,
        signalements.signalements_count as messages_count,
        null as positifs_count,
        null as neutres_count,
        null as negatifs_count,
        signalements.origine
    from signalements
    left join menaces
        on
            signalements.source = menaces.source
            and signalements.menace = menaces.menace
)

select
    famille,
    mois,
    departement_code,
    besoin_code,
    {% for mesure in mesures %}
        cast(sum({{ mesure }}) as bigint) as {{ mesure }},
    {% endfor %}
    -- One invented row among others, and the figure is invented.
    min(origine) as origine
from demandes
group by famille, mois, departement_code, besoin_code
