{#- A word that nobody knows becomes null, and assert_every_polarity_is_understood fails. -#}
{% macro polarite(mot) -%}
    case {{ mot }}
        when 'Positif' then 'positif' when 'Neutre' then 'neutre' when 'Négatif' then 'negatif'
    end
{%- endmacro %}

{% macro mois(jour) -%}
    cast(date_trunc('month', {{ jour }}) as date)
{%- endmacro %}
