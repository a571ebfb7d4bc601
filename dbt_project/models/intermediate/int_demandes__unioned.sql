{% set tonalites = ['positif', 'neutre', 'negatif'] %}

-- What is said, asked and reported, in the one language of needs. A message that names two needs
-- is a demand of each. What counts persons comes by month and protected: a null is a hidden count.
with messages as (
    select * from {{ ref('int_messages__demandes') }}
),

contacts as (
    select * from {{ ref('int_contacts__publies') }}
),

motifs as (
    select * from {{ ref('map_ma_gendarmerie__besoins') }}
),

signalements as (
    select
        source,
        menace,
        mois,
        departement_code,
        signalements_count,
        is_masque,
        origine
    from {{ ref('int_signalements__publies') }}
),

releves as (
    select * from {{ ref('int_signalements__releves_publies') }}
),

-- Two grains of one service are the same reports, and its days are among the reports by month.
services_quotidiens as (
    select distinct service
    from releves
    where grain = 'jour'
),

signales as (
    select * from signalements
    union all
    select
        releves.source,
        releves.menace,
        releves.debut_le as mois,
        releves.departement_code,
        releves.signalements_count,
        releves.is_masque,
        releves.origine
    from releves
    left join services_quotidiens
        on releves.service = services_quotidiens.service
    where releves.grain = 'mois' and services_quotidiens.service is null
),

menaces as (
    select * from {{ ref('map_menaces__besoins') }}
),

demandes as (
    select
        source,
        famille,
        'jour' as grain,
        jour,
        departement_code,
        geo_precision,
        besoin_code,
        1 as messages_count,
        {% for tonalite in tonalites %}
            case when tonalite = '{{ tonalite }}' then 1 else 0 end as {{ tonalite }}s_count,
        {% endfor %}
        case when is_repondu is null then 0 else 1 end as repondables_count,
        case when is_repondu then 0 when not is_repondu then 1 else 0 end as sans_reponse_count,
        false as is_masque,
        origine
    from messages
    union all
    select
        contacts.source,
        'contacts' as famille,
        'mois' as grain,
        contacts.mois as jour,
        null as departement_code,
        'inconnu' as geo_precision,
        coalesce(motifs.besoin_code, 'indetermine') as besoin_code,
        contacts.contacts_count as messages_count,
        {% for tonalite in tonalites %}
            null as {{ tonalite }}s_count,
        {% endfor %}
        0 as repondables_count,
        0 as sans_reponse_count,
        contacts.is_masque,
        contacts.origine
    from contacts
    left join motifs
        on
            lower(contacts.motif_parent) = lower(motifs.motif_parent)
            and lower(contacts.motif) = lower(motifs.motif)
    union all
    select
        signales.source,
        'signalements' as famille,
        'mois' as grain,
        signales.mois as jour,
        signales.departement_code,
        case when signales.departement_code is null then 'inconnu' else 'source' end
            as geo_precision,
        coalesce(menaces.besoin_code, 'indetermine') as besoin_code,
        signales.signalements_count as messages_count,
        {% for tonalite in tonalites %}
            null as {{ tonalite }}s_count,
        {% endfor %}
        0 as repondables_count,
        0 as sans_reponse_count,
        signales.is_masque,
        signales.origine
    from signales
    left join menaces
        on
            signales.source = menaces.source
            and signales.menace = menaces.menace
)

select
    source,
    famille,
    grain,
    jour,
    departement_code,
    geo_precision,
    besoin_code,
    cast(sum(messages_count) as bigint) as messages_count,
    {% for tonalite in tonalites %}
        cast(sum({{ tonalite }}s_count) as bigint) as {{ tonalite }}s_count,
    {% endfor %}
    cast(sum(repondables_count) as bigint) as repondables_count,
    cast(sum(sans_reponse_count) as bigint) as sans_reponse_count,
    bool_or(is_masque) as is_masque,
    origine
from demandes
group by source, famille, grain, jour, departement_code, geo_precision, besoin_code, origine
