{#- The only place that knows the engine: whatever DuckDB writes otherwise than its peers. -#}

{% macro utc(instant) -%}
    {{ instant }} at time zone 'UTC'
{%- endmacro %}

{#- The day lived in Paris at a UTC timestamp: 23 hours long in March, 25 in October. -#}
{% macro jour_paris(utc_at) -%}
    cast({{ utc_at }} at time zone 'UTC' at time zone 'Europe/Paris' as date)
{%- endmacro %}

{% macro heure_paris(utc_at) -%}
    cast(extract(hour from {{ utc_at }} at time zone 'UTC' at time zone 'Europe/Paris') as integer)
{%- endmacro %}

{% macro jours_entre(debut, fin) -%}
    cast(date_diff('day', {{ debut }}, {{ fin }}) as integer)
{%- endmacro %}

{% macro secondes_entre(debut, fin) -%}
    cast(date_diff('second', {{ debut }}, {{ fin }}) as bigint)
{%- endmacro %}

{% macro unnest_json(textes) -%}
    unnest(from_json({{ textes }}, '["VARCHAR"]'))
{%- endmacro %}

{% macro liste(texte) -%}
    string_agg(distinct {{ texte }}, ',' order by {{ texte }})
{%- endmacro %}

{#- The line of a seed's file: a seed keeps the order of its file, whose first line is its header. -#}
{% macro ligne_du_fichier() -%}
    row_number() over () + 1
{%- endmacro %}

{#- A condition that stops the query with `message` as soon as one row meets it. -#}
{% macro arret(message) -%}
    error({{ message }}) is null
{%- endmacro %}
