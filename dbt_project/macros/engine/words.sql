{#- The only place that knows the engine: whatever DuckDB and Spark write otherwise. Models use these
    words, and SQL that both read alike (docs/spark.md). Sessions are in UTC on both. -#}

{#- Instants and days. -#}

{% macro utc(instant) -%}
    {{ adapter.dispatch('utc')(instant) }}
{%- endmacro %}

{% macro default__utc(instant) -%}
    {{ instant }} at time zone 'UTC'
{%- endmacro %}

{#- A Spark timestamp is shown in the zone of the session, which is UTC. -#}
{% macro spark__utc(instant) -%}
    {{ instant }}
{%- endmacro %}

{#- What a clock in Paris shows at a UTC timestamp. -#}
{% macro horloge_paris(utc_at) -%}
    {{ adapter.dispatch('horloge_paris')(utc_at) }}
{%- endmacro %}

{% macro default__horloge_paris(utc_at) -%}
    {{ utc_at }} at time zone 'UTC' at time zone 'Europe/Paris'
{%- endmacro %}

{% macro spark__horloge_paris(utc_at) -%}
    from_utc_timestamp({{ utc_at }}, 'Europe/Paris')
{%- endmacro %}

{#- The day lived in Paris at a UTC timestamp: 23 hours long in March, 25 in October. -#}
{% macro jour_paris(utc_at) -%}
    cast({{ horloge_paris(utc_at) }} as date)
{%- endmacro %}

{% macro heure_paris(utc_at) -%}
    cast(extract(hour from {{ horloge_paris(utc_at) }}) as integer)
{%- endmacro %}

{#- The UTC instant at which a day lived in Paris begins. -#}
{% macro debut_paris(jour) -%}
    {{ adapter.dispatch('debut_paris')(jour) }}
{%- endmacro %}

{% macro default__debut_paris(jour) -%}
    cast({{ jour }} as timestamp) at time zone 'Europe/Paris' at time zone 'UTC'
{%- endmacro %}

{% macro spark__debut_paris(jour) -%}
    to_utc_timestamp(cast({{ jour }} as timestamp), 'Europe/Paris')
{%- endmacro %}

{% macro jours_entre(debut, fin) -%}
    {{ adapter.dispatch('jours_entre')(debut, fin) }}
{%- endmacro %}

{% macro default__jours_entre(debut, fin) -%}
    cast(date_diff('day', {{ debut }}, {{ fin }}) as integer)
{%- endmacro %}

{% macro spark__jours_entre(debut, fin) -%}
    datediff({{ fin }}, {{ debut }})
{%- endmacro %}

{% macro secondes_entre(debut, fin) -%}
    {{ adapter.dispatch('secondes_entre')(debut, fin) }}
{%- endmacro %}

{% macro default__secondes_entre(debut, fin) -%}
    cast(date_diff('second', {{ debut }}, {{ fin }}) as bigint)
{%- endmacro %}

{#- Both count the seconds that begin between the two. -#}
{% macro spark__secondes_entre(debut, fin) -%}
    (unix_seconds({{ fin }}) - unix_seconds({{ debut }}))
{%- endmacro %}

{% macro secondes_unix(instant) -%}
    {{ adapter.dispatch('secondes_unix')(instant) }}
{%- endmacro %}

{% macro default__secondes_unix(instant) -%}
    cast(extract(epoch from {{ instant }}) as bigint)
{%- endmacro %}

{% macro spark__secondes_unix(instant) -%}
    unix_seconds({{ instant }})
{%- endmacro %}

{% macro plus_mois(jour, nombre) -%}
    {{ adapter.dispatch('plus_mois')(jour, nombre) }}
{%- endmacro %}

{% macro default__plus_mois(jour, nombre) -%}
    cast({{ jour }} + interval '1 month' * ({{ nombre }}) as date)
{%- endmacro %}

{% macro spark__plus_mois(jour, nombre) -%}
    add_months({{ jour }}, {{ nombre }})
{%- endmacro %}

{% macro plus_jours(jour, nombre) -%}
    {{ adapter.dispatch('plus_jours')(jour, nombre) }}
{%- endmacro %}

{% macro default__plus_jours(jour, nombre) -%}
    cast({{ jour }} + interval '1 day' * ({{ nombre }}) as date)
{%- endmacro %}

{% macro spark__plus_jours(jour, nombre) -%}
    date_add(cast({{ jour }} as date), cast({{ nombre }} as integer))
{%- endmacro %}

{#- One row per step from `debut` to `fin`, both included; `pas` is day or hour. -#}
{% macro suite(debut, fin, pas) -%}
    {{ adapter.dispatch('suite')(debut, fin, pas) }}
{%- endmacro %}

{% macro default__suite(debut, fin, pas) -%}
    unnest(generate_series(cast({{ debut }} as timestamp), cast({{ fin }} as timestamp), interval '1 {{ pas }}'))
{%- endmacro %}

{% macro spark__suite(debut, fin, pas) -%}
    explode(sequence(cast({{ debut }} as timestamp), cast({{ fin }} as timestamp), interval '1' {{ pas }}))
{%- endmacro %}

{#- Lists. -#}

{% macro unnest_json(textes) -%}
    {{ adapter.dispatch('unnest_json')(textes) }}
{%- endmacro %}

{% macro default__unnest_json(textes) -%}
    unnest(from_json({{ textes }}, '["VARCHAR"]'))
{%- endmacro %}

{% macro spark__unnest_json(textes) -%}
    explode(from_json({{ textes }}, 'array<string>'))
{%- endmacro %}

{#- One row per element of a list of records. -#}
{% macro unnest_lignes(lignes) -%}
    {{ adapter.dispatch('unnest_lignes')(lignes) }}
{%- endmacro %}

{% macro default__unnest_lignes(lignes) -%}
    unnest({{ lignes }})
{%- endmacro %}

{% macro spark__unnest_lignes(lignes) -%}
    explode({{ lignes }})
{%- endmacro %}

{#- One row per element of a list of structures, one column per field. -#}
{% macro deplier(liste) -%}
    {{ adapter.dispatch('deplier')(liste) }}
{%- endmacro %}

{% macro default__deplier(liste) -%}
    unnest({{ liste }}, max_depth := 2)
{%- endmacro %}

{% macro spark__deplier(liste) -%}
    inline({{ liste }})
{%- endmacro %}

{% macro joindre(liste, separateur) -%}
    {{ adapter.dispatch('joindre')(liste, separateur) }}
{%- endmacro %}

{% macro default__joindre(liste, separateur) -%}
    array_to_string({{ liste }}, '{{ separateur }}')
{%- endmacro %}

{% macro spark__joindre(liste, separateur) -%}
    array_join({{ liste }}, '{{ separateur }}')
{%- endmacro %}

{#- The distinct values of a group, in their order. -#}
{% macro liste(texte) -%}
    {{ adapter.dispatch('liste')(texte) }}
{%- endmacro %}

{% macro default__liste(texte) -%}
    string_agg(distinct {{ texte }}, ',' order by {{ texte }})
{%- endmacro %}

{% macro spark__liste(texte) -%}
    listagg(distinct {{ texte }}, ',') within group (order by {{ texte }})
{%- endmacro %}

{#- The values of a group in the order of something else. -#}
{% macro enumeration(texte, separateur, ordre) -%}
    {{ adapter.dispatch('enumeration')(texte, separateur, ordre) }}
{%- endmacro %}

{% macro default__enumeration(texte, separateur, ordre) -%}
    string_agg({{ texte }}, '{{ separateur }}' order by {{ ordre }})
{%- endmacro %}

{% macro spark__enumeration(texte, separateur, ordre) -%}
    listagg({{ texte }}, '{{ separateur }}') within group (order by {{ ordre }})
{%- endmacro %}

{#- Texts. -#}

{#- Every match of `motif` becomes `par`. A pattern has what RE2 and Java both read: no look-around,
    no class like [[:space:]]. -#}
{% macro remplacer(texte, motif, par) -%}
    {{ adapter.dispatch('remplacer')(texte, motif, par) }}
{%- endmacro %}

{% macro default__remplacer(texte, motif, par) -%}
    regexp_replace({{ texte }}, '{{ motif }}', '{{ par }}', 'g')
{%- endmacro %}

{% macro spark__remplacer(texte, motif, par) -%}
    regexp_replace({{ texte }}, {{ motif_java(motif) }}, '{{ par }}')
{%- endmacro %}

{#- What the group `groupe` of `motif` matched first, empty where nothing did. -#}
{% macro extraire(texte, motif, groupe) -%}
    {{ adapter.dispatch('extraire')(texte, motif, groupe) }}
{%- endmacro %}

{% macro default__extraire(texte, motif, groupe) -%}
    regexp_extract({{ texte }}, '{{ motif }}', {{ groupe }})
{%- endmacro %}

{% macro spark__extraire(texte, motif, groupe) -%}
    regexp_extract({{ texte }}, {{ motif_java(motif) }}, {{ groupe }})
{%- endmacro %}

{#- A raw literal, or a backslash would escape; the end is \z, for Java's $ also stops before a last
    line feed. -#}
{% macro motif_java(motif) -%}
    r'{{ motif[:-1] ~ "\\z" if motif.endswith("$") else motif }}'
{%- endmacro %}

{% macro sans_accents(texte) -%}
    {{ adapter.dispatch('sans_accents')(texte) }}
{%- endmacro %}

{% macro default__sans_accents(texte) -%}
    strip_accents(lower({{ texte }}))
{%- endmacro %}

{#- Spark has no word for it: the accented letters of Latin-1 and Latin Extended-A, each in one
    character, and whatever mark stands alone. -#}
{% macro spark__sans_accents(texte) -%}
    regexp_replace(
        translate(
            lower({{ texte }}),
            'àáâãäåçèéêëìíîïñòóôõöùúûüýÿāăąćĉċčďēĕėęěĝğġģĥĩīĭįĵķĺļľńņňōŏőŕŗřśŝşšţťũūŭůűųŵŷźżž',
            'aaaaaaceeeeiiiinooooouuuuyyaaaccccdeeeeegggghiiiijklllnnnooorrrssssttuuuuuuwyzzz'
        ),
        r'[\u0300-\u036f]', ''
    )
{%- endmacro %}

{#- Rows. -#}

{#- The line of a seed's file: a seed keeps the order of its file, whose first line is its header. -#}
{% macro ligne_du_fichier() -%}
    {{ adapter.dispatch('ligne_du_fichier')() }}
{%- endmacro %}

{% macro default__ligne_du_fichier() -%}
    row_number() over () + 1
{%- endmacro %}

{% macro spark__ligne_du_fichier() -%}
    row_number() over (order by monotonically_increasing_id()) + 1
{%- endmacro %}

{#- Take out of a model its rows that meet a condition. Spark takes none out of Parquet: what would
    need it is made whole there. -#}
{% macro effacer(condition) -%}
    {{ adapter.dispatch('effacer')(condition) }}
{%- endmacro %}

{% macro default__effacer(condition) -%}
    delete from {{ this }} where {{ condition }}
{%- endmacro %}

{% macro spark__effacer(condition) -%}
{%- endmacro %}

{#- A condition that stops the query with `message` as soon as one row meets it. -#}
{% macro arret(message) -%}
    {{ adapter.dispatch('arret')(message) }}
{%- endmacro %}

{% macro default__arret(message) -%}
    error({{ message }}) is null
{%- endmacro %}

{% macro spark__arret(message) -%}
    raise_error({{ message }}) is null
{%- endmacro %}
