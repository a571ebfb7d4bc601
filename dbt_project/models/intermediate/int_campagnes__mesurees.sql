with campagnes as (
    select * from {{ ref('stg_campagnes__campagnes') }}
),

themes as (
    select * from {{ ref('map_campagnes__mesures') }}
),

mesures as (
    select * from {{ ref('taxo_mesures') }}
),

-- Two names may read alike once written for an address: the second one is numbered.
adressees as (
    select
        *,
        trim(both '-' from {{ remplacer(sans_accents('campagne_id'), '[^a-z0-9]+', '-') }})
            as adresse
    from campagnes
),

numerotees as (
    select
        *,
        row_number() over (partition by adresse order by campagne_id) as rang
    from adressees
)

select
    numerotees.campagne_id,
    numerotees.adresse
    || case when numerotees.rang > 1 then '-' || cast(numerotees.rang as string) else '' end
        as campagne_cle,
    numerotees.debut_le,
    numerotees.fin_le,
    numerotees.theme,
    numerotees.canal,
    numerotees.departements,
    numerotees.cout_eur,
    mesures.mesure_id,
    mesures.mesure_label,
    mesures.source as mesure_source,
    themes.sens_attendu,
    numerotees.debut_le <= {{ aujourd_hui() }} as is_commencee,
    numerotees.fin_le < {{ aujourd_hui() }} as is_terminee,
    numerotees.origine
from numerotees
left join themes
    on {{ sans_accents('numerotees.theme') }} = {{ sans_accents('themes.theme') }}
left join mesures
    on themes.mesure_id = mesures.mesure_id
