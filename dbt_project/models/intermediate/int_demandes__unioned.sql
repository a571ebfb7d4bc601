{% set tonalites = ['positif', 'neutre', 'negatif'] %}

-- What is said, asked and reported, in the one language of needs. A message that names two needs
-- is a demand of each.
with messages as (
    select * from {{ ref('int_messages__suivis') }}
    where is_perimetre_gendarmerie
),

besoins as (
    select * from {{ ref('int_messages__besoins') }}
),

contacts as (
    select * from {{ ref('int_contacts__unioned') }}
),

motifs as (
    select * from {{ ref('map_ma_gendarmerie__besoins') }}
),

signalements as (
    select * from {{ ref('int_signalements__unioned') }}
),

menaces as (
    select * from {{ ref('map_menaces__besoins') }}
),

demandes as (
    select
        messages.source,
        messages.famille,
        messages.jour,
        messages.departement_code,
        messages.geo_precision,
        besoins.besoin_code,
        1 as messages_count,
        {% for tonalite in tonalites %}
            case when messages.tonalite = '{{ tonalite }}' then 1 else 0 end
                as {{ tonalite }}s_count,
        {% endfor %}
        case when messages.is_repondu is null then 0 else 1 end as repondables_count,
        case when messages.is_repondu then 0 when not messages.is_repondu then 1 else 0 end
            as sans_reponse_count,
        messages.origine
    from messages
    inner join besoins
        on messages.message_id = besoins.message_id
    union all
    select
        contacts.source,
        'contacts' as famille,
        {{ jour_paris('contacts.heure_at') }} as jour,
        null as departement_code,
        'inconnu' as geo_precision,
        coalesce(motifs.besoin_code, 'indetermine') as besoin_code,
        contacts.contacts_count as messages_count,
        {% for tonalite in tonalites %}
            null as {{ tonalite }}s_count,
        {% endfor %}
        0 as repondables_count,
        0 as sans_reponse_count,
        contacts.origine
    from contacts
    left join motifs
        on
            lower(contacts.motif_parent) = lower(motifs.motif_parent)
            and lower(contacts.motif) = lower(motifs.motif)
    union all
    select
        signalements.source,
        'signalements' as famille,
        signalements.jour,
        signalements.departement_code,
        case when signalements.departement_code is null then 'inconnu' else 'source' end
            as geo_precision,
        coalesce(menaces.besoin_code, 'indetermine') as besoin_code,
        signalements.signalements_count as messages_count,
        {% for tonalite in tonalites %}
            null as {{ tonalite }}s_count,
        {% endfor %}
        0 as repondables_count,
        0 as sans_reponse_count,
        signalements.origine
    from signalements
    left join menaces
        on
            signalements.source = menaces.source
            and signalements.menace = menaces.menace
)

select
    source,
    famille,
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
    origine
from demandes
group by source, famille, jour, departement_code, geo_precision, besoin_code, origine
