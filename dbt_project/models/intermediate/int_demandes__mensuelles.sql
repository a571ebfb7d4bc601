{% set mesures = [
    'messages_count', 'positifs_count', 'neutres_count', 'negatifs_count', 'repondables_count',
    'sans_reponse_count',
] %}

with demandes as (
    select * from {{ ref('int_demandes__unioned') }}
)

select
    famille,
    {{ mois('jour') }} as mois,
    departement_code,
    besoin_code,
    {% for mesure in mesures %}
        cast(sum({{ mesure }}) as bigint) as {{ mesure }},
    {% endfor %}
    bool_or(is_masque) as is_masque,
    -- One invented row among others, and the figure is invented.
    min(origine) as origine
from demandes
group by famille, {{ mois('jour') }}, departement_code, besoin_code
