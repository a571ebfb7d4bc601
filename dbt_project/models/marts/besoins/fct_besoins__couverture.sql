with messages as (
    select * from {{ ref('int_messages__suivis') }}
),

-- Each of these speaks of one need: its demands are its messages.
demandes as (
    select * from {{ ref('int_demandes__unioned') }}
    where famille in ('contacts', 'signalements')
),

comptes as (
    select
        source,
        famille,
        departement_code,
        geo_precision,
        'semaine' as grain,
        {{ semaine('jour') }} as debut_le,
        case when is_perimetre_gendarmerie then 1 else 0 end as messages_count,
        case when is_perimetre_gendarmerie and is_classe then 1 else 0 end as classes_count,
        case when is_perimetre_gendarmerie then 0 else 1 end as hors_perimetre_count,
        {% for tonalite in ['positif', 'neutre', 'negatif'] %}
            case when is_perimetre_gendarmerie and tonalite = '{{ tonalite }}' then 1 else 0 end
                as {{ tonalite }}s_count,
        {% endfor %}
        false as is_masque,
        origine
    from messages
    union all
    select
        source,
        famille,
        departement_code,
        geo_precision,
        grain,
        jour as debut_le,
        messages_count,
        case when besoin_code = 'indetermine' then 0 else messages_count end as classes_count,
        0 as hors_perimetre_count,
        positifs_count,
        neutres_count,
        negatifs_count,
        is_masque,
        origine
    from demandes
)

select
    source,
    famille,
    departement_code,
    geo_precision,
    grain,
    debut_le,
    cast(sum(messages_count) as bigint) as messages_count,
    cast(sum(classes_count) as bigint) as classes_count,
    cast(sum(hors_perimetre_count) as bigint) as hors_perimetre_count,
    cast(sum(positifs_count) as bigint) as positifs_count,
    cast(sum(neutres_count) as bigint) as neutres_count,
    cast(sum(negatifs_count) as bigint) as negatifs_count,
    bool_or(is_masque) as is_masque,
    origine
from comptes
group by source, famille, departement_code, geo_precision, grain, debut_le, origine
