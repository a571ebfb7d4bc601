{#- Small cells (docs/adr/0011-small-cells.md): whole months, and what may be said of them. -#}

{#- The day that was lived in Paris when the run started: a run that goes on after midnight closes
    the same months to its end. -#}
{% macro aujourd_hui() -%}
    {% set paris = modules.pytz.timezone('Europe/Paris') -%}
    cast('{{ var("aujourd_hui", run_started_at.astimezone(paris).date()) }}' as date)
{%- endmacro %}

{#- A period that still goes on would tell each day how many came: `unite` is month, quarter or year. -#}
{% macro est_close(debut_le, unite='month') -%}
    {{ debut_le }} < date_trunc('{{ unite }}', {{ aujourd_hui() }})
{%- endmacro %}

{#- The name of a row, as int_cellules__retenues writes it. -#}
{% macro nom_de_cellule(cle, relation) -%}
    concat_ws(
        '|',
        {% for colonne in cle -%}
            coalesce(cast({{ relation }}.{{ colonne }} as string), '∅'){{ ", " if not loop.last }}
        {% endfor %}
    )
{%- endmacro %}

{#- The rows of an exact table with the counts that may be published: null where the law hides one,
    yesterday's where it holds a revision back. `avec` is what a count would be read from. -#}
{% macro publies(tableau, cle, mesures, autres=[], avec=[]) %}
    select
        {% for colonne in cle + autres -%}
            exacts.{{ colonne }},
        {% endfor -%}
        {% for mesure in mesures -%}
            case
                when retenues_{{ loop.index }}.cle is null then exacts.{{ mesure }}
                else retenues_{{ loop.index }}.publie_count
            end as {{ mesure }},
        {% endfor -%}
        {% for mesure in avec -%}
            case when retenues_1.cle is null then exacts.{{ mesure }} end as {{ mesure }},
        {% endfor -%}
        {% for mesure in mesures -%}
            coalesce(retenues_{{ loop.index }}.publie_count is null
            and retenues_{{ loop.index }}.cle is not null, false)
            {{- " or " if not loop.last }}
        {% endfor -%}
        as is_masque,
        exacts.origine
    from {{ ref(tableau) }} as exacts
    {% for mesure in mesures -%}
        left join {{ ref('int_cellules__retenues') }} as retenues_{{ loop.index }}
            on
                retenues_{{ loop.index }}.tableau = '{{ tableau }}'
                and retenues_{{ loop.index }}.mesure = '{{ mesure }}'
                and {{ nom_de_cellule(cle, 'exacts') }} = retenues_{{ loop.index }}.cle
    {% endfor -%}
{% endmacro %}

{#- Where one line is one person, the number of lines is a number of persons. -#}
{% macro arrondi(lignes_count, source) -%}
    case
        when {{ source }} in ('jedonnemonavis', 'ma_gendarmerie', 'pre_plainte')
            then {{ lignes_count }} - {{ lignes_count }} % arrondis.valeur
        else {{ lignes_count }}
    end
{%- endmacro %}

{#- The sources whose counts are persons: told by tens (docs/adr/0012-counts-of-signals.md). -#}
{% macro compte_des_personnes(source) -%}
    {{ source }} in (
        'jedonnemonavis', 'ma_gendarmerie', 'perceval', 'pre_plainte', 'signalements_agreges'
    )
{%- endmacro %}

{#- A count of persons rounded down to ten, untold under ten; `arrondis` holds the step. -#}
{% macro par_dizaines(mesure, is_personnes) -%}
    case
        when not {{ is_personnes }} then {{ mesure }}
        else nullif(floor({{ mesure }} / arrondis.valeur) * arrondis.valeur, 0)
    end
{%- endmacro %}
