-- The loosest chance of a false alarm under which what was judged is right often enough.
with juges as (
    select
        *,
        case when verdict = 'vrai' then 1 else 0 end as is_vrai
    from {{ ref('int_triage__juges') }}
    where verdict in ('vrai', 'faux')
),

cumules as (
    select
        methode_id,
        chance_fausse_alerte,
        sum(is_vrai) over (partition by methode_id order by chance_fausse_alerte) as vrais_count,
        count(*) over (partition by methode_id order by chance_fausse_alerte) as juges_count,
        sum(is_vrai) over (partition by methode_id) as tous_vrais_count,
        count(*) over (partition by methode_id) as tous_juges_count
    from juges
),

seuils as (
    {{ seuils('triage', ['precision_cible', 'juges_min']) }}
),

bornes as (
    select
        cumules.methode_id,
        max(cumules.tous_vrais_count) as vrais_count,
        max(cumules.tous_juges_count) as juges_count,
        max(
            case
                when
                    cumules.vrais_count >= seuils.precision_cible * cumules.juges_count
                    and cumules.juges_count >= seuils.juges_min
                    then cumules.chance_fausse_alerte
            end
        ) as seuil_propose,
        max(seuils.precision_cible) as precision_cible,
        max(seuils.juges_min) as juges_min
    from cumules
    cross join seuils
    group by cumules.methode_id
)

select
    methode_id,
    case
        when juges_count < juges_min or vrais_count >= precision_cible * juges_count then 'garder'
        when seuil_propose is null then 'revoir'
        else 'resserrer'
    end as decision,
    juges_count < juges_min as is_trop_peu,
    juges_count,
    cast(juges_min as integer) as juges_min,
    case
        when juges_count >= juges_min and vrais_count < precision_cible * juges_count
            then seuil_propose
    end as seuil_propose
from bornes
