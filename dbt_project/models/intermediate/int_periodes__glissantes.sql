-- Whole months, so that what is told by month fits; one after the other, so that they add up.
with jours as (
    select
        min(jour) as premier_jour,
        max(
            case grain when 'jour' then jour else {{ plus_jours(plus_mois('jour', 1), -1) }} end
        ) as dernier_jour
    from {{ ref('int_demandes__unioned') }}
),

seuils as (
    {{ seuils('besoins_periodes', ['mois', 'nombre']) }}
),

rangs as (
    {% for rang in range(1, 11) %}
        select {{ rang }} as periode_rang
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

bornes as (
    select
        rangs.periode_rang,
        cast(seuils.mois as integer) as duree,
        jours.premier_jour,
        -- The month that ends on the last day known is whole.
        {{ mois(plus_jours('jours.dernier_jour', 1)) }} as fin_exclue_le
    from rangs
    cross join jours
    cross join seuils
    where rangs.periode_rang <= seuils.nombre
),

periodes as (
    select
        periode_rang,
        {{ plus_mois('fin_exclue_le', '-duree * periode_rang') }} as debut_le,
        {{ plus_jours(plus_mois('fin_exclue_le', '-duree * (periode_rang - 1)'), -1) }} as fin_le,
        premier_jour
    from bornes
)

select
    periode_rang,
    debut_le,
    fin_le
from periodes
where fin_le >= premier_jour
