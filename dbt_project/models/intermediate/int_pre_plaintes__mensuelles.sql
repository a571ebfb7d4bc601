with declarations as (
    select * from {{ ref('stg_pre_plainte__declarations') }}
),

typees as (
    select
        'pre_plainte' as source,
        'non_precisee' as menace,
        {{ mois(jour_paris('debut_at')) }} as mois,
        case
            when is_personne_physique and not is_personne_morale then 'physique'
            when is_personne_morale and not is_personne_physique then 'morale'
            else 'inconnu'
        end as type_personne,
        fin_at is not null as is_terminee,
        {{ secondes_entre('debut_at', 'fin_at') }} as duree_secondes,
        origine
    from declarations
)

select
    source,
    menace,
    mois,
    type_personne,
    is_terminee,
    count(*) as declarations_count,
    cast(sum(duree_secondes) as bigint) as duree_secondes,
    cast(median(duree_secondes) as double) as duree_mediane_secondes,
    origine
from typees
where {{ est_close('mois') }}
group by source, menace, mois, type_personne, is_terminee, origine
