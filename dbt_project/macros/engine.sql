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

{% macro secondes_unix(instant) -%}
    cast(extract(epoch from {{ instant }}) as bigint)
{%- endmacro %}

{% macro unnest_json(textes) -%}
    unnest(from_json({{ textes }}, '["VARCHAR"]'))
{%- endmacro %}

{#- One row per element of a list of records. -#}
{% macro unnest_lignes(lignes) -%}
    unnest({{ lignes }})
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

{% macro plus_mois(jour, nombre) -%}
    cast({{ jour }} + interval '1 month' * ({{ nombre }}) as date)
{%- endmacro %}

{% macro plus_jours(jour, nombre) -%}
    cast({{ jour }} + interval '1 day' * ({{ nombre }}) as date)
{%- endmacro %}

{% macro sans_accents(texte) -%}
    strip_accents(lower({{ texte }}))
{%- endmacro %}

{#- The UTC instant at which a day lived in Paris begins. -#}
{% macro debut_paris(jour) -%}
    cast({{ jour }} as timestamp) at time zone 'Europe/Paris' at time zone 'UTC'
{%- endmacro %}

{#- One row per step from `debut` to `fin`, both included; `pas` is day or hour. -#}
{% macro suite(debut, fin, pas) -%}
    unnest(generate_series(cast({{ debut }} as timestamp), cast({{ fin }} as timestamp), interval '1 {{ pas }}'))
{%- endmacro %}

{#- One row per element of a list of structures, one column per field. -#}
{% macro deplier(liste) -%}
    unnest({{ liste }}, max_depth := 2)
{%- endmacro %}
