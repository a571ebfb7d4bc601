{% set tonalites = ['positif', 'neutre', 'negatif'] %}

-- Each message once, whatever the needs it names; a report speaks of one need.
with messages as (
    select * from {{ ref('int_messages__suivis') }}
    where is_perimetre_gendarmerie
),

signalements as (
    select * from {{ ref('int_demandes__mensuelles') }}
    where famille = 'signalements'
),

comptes as (
    select
        famille,
        {{ mois('jour') }} as mois,
        departement_code,
        1 as messages_count,
        {% for tonalite in tonalites %}
            case when tonalite = '{{ tonalite }}' then 1 else 0 end as {{ tonalite }}s_count,
        {% endfor %}
        case when is_repondu is null then 0 else 1 end as repondables_count,
        case when not is_repondu then 1 else 0 end as sans_reponse_count,
        false as is_masque,
        origine
    from messages
    union all
    select
        famille,
        mois,
        departement_code,
        messages_count,
        {% for tonalite in tonalites %}
            {{ tonalite }}s_count,
        {% endfor %}
        repondables_count,
        sans_reponse_count,
        is_masque,
        origine
    from signalements
)

select
    famille,
    mois,
    departement_code,
    cast(sum(messages_count) as bigint) as messages_count,
    {% for tonalite in tonalites %}
        cast(sum({{ tonalite }}s_count) as bigint) as {{ tonalite }}s_count,
    {% endfor %}
    cast(sum(repondables_count) as bigint) as repondables_count,
    cast(sum(sans_reponse_count) as bigint) as sans_reponse_count,
    bool_or(is_masque) as is_masque,
    -- One invented row among others, and the figure is invented.
    min(origine) as origine
from comptes
group by famille, mois, departement_code
