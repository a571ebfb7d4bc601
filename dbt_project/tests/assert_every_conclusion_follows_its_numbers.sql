-- Words follow the numbers: an effect is said shown where its interval leaves zero out and nothing
-- was there before, and a cost is told for an effect that was wanted.
select
    campagne_id,
    conclusion,
    effet_part,
    effet_part_bas,
    effet_part_haut,
    pretendance,
    cout_par_effet_eur
from {{ ref('fct_campagnes') }}
where
    (
        conclusion in ('baisse', 'hausse')
        and (
            effet_part_bas * effet_part_haut <= 0
            or (conclusion = 'baisse') != (effet_part < 0)
            or pretendance = 'rompue'
        )
    )
    or (conclusion = 'non_demontre' and effet_part_bas * effet_part_haut > 0)
    or (conclusion = 'tendance_rompue') != (coalesce(pretendance, '') = 'rompue')
    or (conclusion = 'non_estimable') != (effet_part is null)
    or (cout_par_effet_eur is not null and conclusion != sens_attendu)
