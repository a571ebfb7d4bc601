{#- The public avis added up by the columns of `cle`. A ratio, or a mean, is divided where it is shown. -#}
{% macro avis_par(cle, delais=false) %}
    with avis as (
        select
            *,
            {{ mois('jour') }} as mois
        from {{ ref('int_avis__unioned') }}
        -- Its messages are not public: their answers are counted in fct_satisfaction.
        where source != 'jedonnemonavis'
    )

    select
        {% for colonne in cle -%}
            {{ colonne }},
        {% endfor -%}
        count(*) as avis_count,
        count(case when ressenti = 'positif' then 1 end) as positifs_count,
        count(case when ressenti = 'neutre' then 1 end) as neutres_count,
        count(case when ressenti = 'negatif' then 1 end) as negatifs_count,
        count(case when is_repondu then 1 end) as repondus_count,
        {% if delais -%}
            count(delai_reponse_jours) as delais_count,
            cast(sum(delai_reponse_jours) as bigint) as delais_jours,
        {% endif -%}
        origine
    from avis
    group by {{ cle | join(', ') }}, origine
{% endmacro %}
