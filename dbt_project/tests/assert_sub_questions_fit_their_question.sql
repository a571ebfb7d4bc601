-- Who sought help from the administration is asked whether it was reached; who reached it, how good
-- it was. The source may disagree with itself: it is warned, and blocks nothing.
{{ config(severity='warn') }}

with reponses as (
    select * from {{ ref('stg_jedonnemonavis__reponses') }}
),

comptes as (
    select
        demarche_label,
        jour,
        sum(
            case
                when question = 'contact_tried' and reponse_label like '%avec l_administration'
                    then reponses_count
                else 0
            end
        ) as cherches_count,
        sum(case when question = 'contact_reached' then reponses_count else 0 end) as joints_count,
        sum(
            case
                when question = 'contact_reached' and intention = 'good' then reponses_count
                else 0
            end
        ) as reussis_count,
        sum(case when question = 'contact_satisfaction' then reponses_count else 0 end)
            as juges_count
    from reponses
    group by demarche_label, jour
)

select
    demarche_label,
    jour,
    cherches_count,
    joints_count,
    reussis_count,
    juges_count
from comptes
where joints_count > cherches_count or juges_count > reussis_count
