with demandes as (
    select
        *,
        case grain when 'jour' then {{ semaine('jour') }} else jour end as debut_le
    from {{ ref('int_demandes__unioned') }}
)

select
    besoin_code,
    departement_code,
    case grain when 'jour' then 'semaine' else grain end as grain,
    debut_le,
    famille,
    cast(sum(messages_count) as bigint) as messages_count,
    cast(sum(positifs_count) as bigint) as positifs_count,
    cast(sum(neutres_count) as bigint) as neutres_count,
    cast(sum(negatifs_count) as bigint) as negatifs_count,
    cast(sum(repondables_count) as bigint) as repondables_count,
    cast(sum(sans_reponse_count) as bigint) as sans_reponse_count,
    bool_or(is_masque) as is_masque,
    -- One invented row among others, and the figure is invented.
    min(origine) as origine
from demandes
group by besoin_code, departement_code, grain, debut_le, famille
