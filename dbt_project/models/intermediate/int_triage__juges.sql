-- Of all that was said of a signal, the last word holds.
with verdicts as (
    select
        *,
        row_number() over (partition by signal_id order by dit_at desc, agent_id asc) as rang,
        min(dit_at) over (partition by signal_id) as premier_dit_at,
        min(debut_at) over (partition by signal_id) as debut_reel_at
    from {{ ref('stg_triage__verdicts') }}
),

signaux as (
    select * from {{ ref('int_signaux__suivis') }}
)

select
    signaux.signal_id,
    signaux.methode_id,
    signaux.sujet,
    signaux.source,
    signaux.chance_fausse_alerte,
    verdicts.verdict,
    {{ secondes_entre('signaux.ouvert_at', 'verdicts.premier_dit_at') }} / 3600e0
        as jugement_heures,
    {{ secondes_entre('verdicts.debut_reel_at', 'signaux.ouvert_at') }} / 3600e0
        as detection_heures
from signaux
inner join verdicts
    on signaux.signal_id = verdicts.signal_id
where verdicts.rang = 1
