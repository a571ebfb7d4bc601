{#- Fails with the share of filled values when it is below `at_least`; an empty table passes. -#}
{% test not_null_proportion(model, column_name, at_least) %}

    select count({{ column_name }}) * 1e0 / count(*) as proportion
    from {{ model }}
    having count(*) > 0 and count({{ column_name }}) < {{ at_least }} * count(*)

{% endtest %}
