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
    regexp_replace({{ titre }}, '[^A-Za-z0-9-]+', '_', 'g')
{%- endmacro %}

{% macro mois(jour) -%}
    cast(date_trunc('month', {{ jour }}) as date)
{%- endmacro %}

{#- Some exports write a postcode as a number: `1000`, `38000.0`. -#}
{% macro code_postal(texte) -%}
    lpad(nullif(regexp_extract({{ texte }}, '^([0-9]{4,5})([.]0+)?$', 1), ''), 5, '0')
{%- endmacro %}

{#- Stops with the `cause` of each row of `fautes` (fichier, ligne, cause), the first ones first. -#}
{% macro stop_at_lines(fautes) %}
    select message
    from (
        select
            string_agg(
                fichier || '.csv, ligne ' || ligne || ' : ' || cause, ' ; ' order by fichier, ligne
            ) || ' Remède : corriger cette ligne, puis relancer.' as message
        from (
            select *
            from {{ fautes }}
            order by fichier, ligne
            limit 10
        ) as premieres
    ) as dites
    where message is not null and {{ arret('message') }}
{% endmacro %}
