-- What a need sounds like, in the words of those whose platform publishes them one by one.
with messages as (
    select * from {{ ref('int_messages__suivis') }}
    where is_perimetre_gendarmerie and source = 'services_publics_plus'
),

besoins as (
    select * from {{ ref('int_messages__besoins') }}
    where besoin_code != 'indetermine'
),

avis as (
    select * from {{ ref('int_avis__unioned') }}
    where source = 'services_publics_plus' and texte is not null
),

periodes as (
    select * from {{ ref('int_periodes__glissantes') }}
    where periode_rang = 1
),

seuils as (
    {{ seuils('besoins_exemples', ['nombre', 'longueur_min', 'longueur_max']) }}
),

petites_cellules as (
    select valeur
    from {{ ref('taxo_seuils') }}
    where seuil = 'petites_cellules'
),

cites as (
    select
        besoins.besoin_code,
        messages.source,
        messages.jour,
        messages.tonalite,
        besoins.mots,
        besoins.methode_version,
        cast(seuils.nombre as integer) as nombre,
        case
            when length(avis.texte) <= seuils.longueur_max then avis.texte
            else {{ remplacer(
                'substr(avis.texte, 1, cast(seuils.longueur_max as integer))', '\\s+\\S*$', ''
            ) }} || ' …'
        end as texte,
        messages.origine,
        -- The surest first; of two as sure, the last one.
        row_number() over (
            partition by besoins.besoin_code
            order by besoins.score desc, messages.jour desc, messages.message_id asc
        ) as rang,
        count(*) over (partition by besoins.besoin_code) as messages_count
    from messages
    inner join periodes
        on messages.jour between periodes.debut_le and periodes.fin_le
    inner join besoins
        on messages.message_id = besoins.message_id
    inner join avis
        on messages.message_id = avis.avis_id
    cross join seuils
    where length(avis.texte) >= seuils.longueur_min
)

select
    cites.besoin_code,
    cast(cites.rang as integer) as rang,
    cites.source,
    {{ mois('cites.jour') }} as mois,
    cites.tonalite,
    cites.texte,
    cites.mots,
    cites.methode_version,
    cites.origine
from cites
cross join petites_cellules
where cites.rang <= cites.nombre and cites.messages_count >= petites_cellules.valeur
