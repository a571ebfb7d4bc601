{#- Words of Services Publics+, intentions and marks of Je donne mon avis, stars of Google. One that
    nobody knows becomes null, and assert_every_polarity_is_understood fails. -#}
{% macro polarite(mot) -%}
    case
        when {{ mot }} in ('Positif', 'Très bien', 'very_good', 'good', '5', '4') then 'positif'
        when {{ mot }} in ('Neutre', 'Moyen', 'medium', '3') then 'neutre'
        when {{ mot }} in ('Négatif', 'Pas bien', 'very_bad', 'bad', '2', '1') then 'negatif'
    end
{%- endmacro %}

{#- A title as the name of an export of Je donne mon avis writes it. -#}
{% macro nom_d_export(titre) -%}
    {{ remplacer(titre, '[^A-Za-z0-9-]+', '_') }}
{%- endmacro %}

{% macro mois(jour) -%}
    cast(date_trunc('month', {{ jour }}) as date)
{%- endmacro %}

{#- The Monday of its week. -#}
{% macro semaine(jour) -%}
    cast(date_trunc('week', {{ jour }}) as date)
{%- endmacro %}

{#- Some exports write a postcode as a number: `1000`, `38000.0`. -#}
{% macro code_postal(texte) -%}
    lpad(nullif({{ extraire(texte, '^([0-9]{4,5})([.]0+)?$', 1) }}, ''), 5, '0')
{%- endmacro %}

{#- Stops with the `cause` of each row of `fautes` (fichier, ligne, cause), the first ones first. -#}
{% macro stop_at_lines(fautes) %}
    select message
    from (
        select
            {{ enumeration(
                "fichier || '.csv, ligne ' || ligne || ' : ' || cause", ' ; ', 'fichier, ligne'
            ) }} || ' Remède : corriger cette ligne, puis relancer.' as message
        from (
            select *
            from {{ fautes }}
            order by fichier, ligne
            limit 10
        ) as premieres
    ) as dites
    where message is not null and {{ arret('message') }}
{% endmacro %}

{#- A share as people read it: `0.514` is `51`. -#}
{% macro pourcent(part) -%}
    cast(cast(round(100 * {{ part }}) as bigint) as string)
{%- endmacro %}

{#- A département as the COG codes it, from what sources write: `1`, `37.0`, `dep37`, `D37`, `2a`,
    `FR-37`, `FR-75C`, `FR-69M`, `FR-974`, `FR-RE`, `FR-NC`. What is no code stays as it is, and
    joins nothing. -#}
{% macro code_departement(texte) -%}
    {% set nu -%}
        {{ remplacer(
            remplacer('upper(trim(' ~ texte ~ '))', '^(FR-|DEP-?|D)', ''), '([.]0+|[CDM])$', ''
        ) }}
    {%- endset %}
    case
        {% for lettres, code in {
            'GP': '971', 'MQ': '972', 'GF': '973', 'RE': '974', 'PM': '975', 'YT': '976',
            'BL': '977', 'MF': '978', 'TF': '984', 'WF': '986', 'PF': '987', 'NC': '988',
        }.items() %}
            when upper(trim({{ texte }})) in ('FR-{{ lettres }}', '{{ lettres }}') then '{{ code }}'
        {% endfor %}
        else case when length({{ nu }}) = 1 then '0' || {{ nu }} else {{ nu }} end
    end
{%- endmacro %}

{#- The name of a place as it compares: no accent, no capital, no hyphen, `St` in full. -#}
{% macro nom_de_lieu(nom) -%}
    trim(replace(replace(
        ' ' || {{ remplacer(sans_accents(nom), '[^a-z0-9]+', ' ') }} || ' ',
        ' st ', ' saint '
    ), ' ste ', ' sainte '))
{%- endmacro %}
