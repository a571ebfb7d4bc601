with departements as (
    select * from {{ ref('int_besoins__departements') }}
    where besoin_code = 'tous'
),

seuils as (
    {{ seuils('besoins_taux', ['z_intervalle']) }}
)

select
    departements.periode_rang,
    departements.debut_le,
    departements.fin_le,
    departements.famille,
    departements.departement_code,
    departements.messages_count,
    departements.positifs_count,
    departements.neutres_count,
    departements.negatifs_count,
    departements.repondables_count,
    departements.sans_reponse_count,
    departements.is_masque,
    departements.population_count,
    departements.taux_pour_100000,
    departements.taux_bas,
    departements.taux_haut,
    departements.taux_national,
    departements.taux_lisse,
    departements.position,
    departements.part_negative,
    departements.part_negative_bas,
    departements.part_negative_haut,
    departements.part_negative_nationale,
    departements.part_negative_lissee,
    1e0 * departements.sans_reponse_count / nullif(departements.repondables_count, 0)
        as part_sans_reponse,
    {% for bord in ['bas', 'haut'] %}
        {% set wilson = wilson_bas if bord == 'bas' else wilson_haut %}
        {{ wilson(
            'departements.sans_reponse_count', 'departements.repondables_count',
            'seuils.z_intervalle',
        ) }} as part_sans_reponse_{{ bord }},
    {% endfor %}
    departements.origine
from departements
cross join seuils
