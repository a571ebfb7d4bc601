{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- dbt would prefix the target's schema; ours are named alike for every reader. -#}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
