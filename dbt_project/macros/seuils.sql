{#- The thresholds of a method of `ref_methodes`, one column each. -#}
{% macro seuils(methode, parametres) -%}
    select
        {% for parametre in parametres %}
            max(case when parametre = '{{ parametre }}' then valeur end) as {{ parametre }}
            {%- if not loop.last %},{% endif %}
        {% endfor %}
    from {{ ref('ref_methodes') }}
    where methode_id = '{{ methode }}'
{%- endmacro %}
