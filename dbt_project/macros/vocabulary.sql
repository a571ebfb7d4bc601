{#- A word that nobody knows becomes null, and assert_every_polarity_is_understood fails. -#}
{% macro polarite(mot) -%}
    case {{ mot }}
        when 'Positif' then 'positif' when 'Neutre' then 'neutre' when 'Négatif' then 'negatif'
    end
{%- endmacro %}

{% macro mois(jour) -%}
    cast(date_trunc('month', {{ jour }}) as date)
{%- endmacro %}

{#- Some exports write a postcode as a number: `1000`, `38000.0`. -#}
{% macro code_postal(texte) -%}
    lpad(nullif(regexp_extract({{ texte }}, '^([0-9]{4,5})([.]0+)?$', 1), ''), 5, '0')
{%- endmacro %}
