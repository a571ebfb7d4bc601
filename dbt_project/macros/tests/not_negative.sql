{#- Fails with each row where one of the columns is below zero. -#}
{% test not_negative(model, columns) %}

    select {{ columns | join(", ") }}
    from {{ model }}
    where {{ columns | join(" < 0 or ") }} < 0

{% endtest %}
