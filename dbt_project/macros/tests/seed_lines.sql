{#- Tests of seeds that people fill in: the build stops and names the line to fix, in French. -#}

{#- Stops at each line whose value `field` of the seed `to` does not hold; an empty one passes. -#}
{% test known_in(model, column_name, to, field) %}

    with lignes as (
        select
            {{ column_name }} as valeur,
            {{ ligne_du_fichier() }} as ligne
        from {{ model }}
    ),

    fautes as (
        select
            '{{ model.identifier }}' as fichier,
            ligne,
            '« ' || valeur || ' » ({{ column_name }}) n''est pas un {{ field }} de {{ to.identifier }}.csv.'
                as cause
        from lignes
        where valeur is not null and valeur not in (select {{ field }} from {{ to }})
    )

    {{ stop_at_lines('fautes') }}

{% endtest %}

{#- Stops at each line whose value is none of `values`. -#}
{% test one_of(model, column_name, values) %}

    with lignes as (
        select
            {{ column_name }} as valeur,
            {{ ligne_du_fichier() }} as ligne
        from {{ model }}
    ),

    fautes as (
        select
            '{{ model.identifier }}' as fichier,
            ligne,
            '« ' || coalesce(valeur, '') || ' » ({{ column_name }}) n''est pas l''un de : {{ values | join(", ") }}.'
                as cause
        from lignes
        where coalesce(valeur, '') not in ('{{ values | join("', '") }}')
    )

    {{ stop_at_lines('fautes') }}

{% endtest %}

{#- Stops at each line that is empty in one of `columns`, or says again what a line above says. -#}
{% test told_once(model, columns) %}

    {% set cle = columns | join(" || ' · ' || ") %}

    with lignes as (
        select
            {{ cle }} as cle,
            {{ ligne_du_fichier() }} as ligne
        from {{ model }}
    ),

    fautes as (
        select
            '{{ model.identifier }}' as fichier,
            ligne,
            case
                when cle is null then '{{ columns | join(", ") }} : une valeur manque.'
                else '« ' || cle || ' » est déjà dit plus haut.'
            end as cause
        from (
            select
                cle,
                ligne,
                row_number() over (partition by cle order by ligne) as fois
            from lignes
        ) as comptees
        where cle is null or fois > 1
    )

    {{ stop_at_lines('fautes') }}

{% endtest %}
