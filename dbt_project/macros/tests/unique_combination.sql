{#- Fails with one row for each key that occurs more than once; null equals null. -#}
{% test unique_combination(model, columns) %}

    select
        {{ columns | join(", ") }},
        count(*) as rows_count
    from {{ model }}
    group by {{ columns | join(", ") }}
    having count(*) > 1

{% endtest %}
