{#- How a model becomes a table of Spark: written beside the one that stands, in a folder of its own,
    then put in its place. A reader finds either; a driver killed meanwhile leaves a folder that no
    table points to, in nobody's way; a model may read what it said before. -#}

{% materialization table, adapter='spark', supported_languages=['sql', 'python'] %}
    {% if model.language == 'python' %}
        {#- dbt submits Python from here alone. -#}
        {% call statement('python', language='python') %}{{ spark_python(compiled_code) }}{% endcall %}
    {% endif %}
    {{ return(spark_put_in_place(compiled_code)) }}
{% endmaterialization %}

{#- A view of Spark has no files, which Python models and publication read: rows received alone are
    shown through one. -#}
{% materialization view, adapter='spark' %}
    {% if this.schema == 'staging' %}
        {{ return(create_or_replace_view()) }}
    {% endif %}
    {{ return(spark_put_in_place(compiled_code)) }}
{% endmaterialization %}

{#- Parquet tables cannot be merged into: what adds to itself in DuckDB is made anew in Spark, and a
    Python model adds to what it reads of itself. -#}
{% materialization incremental, adapter='spark', supported_languages=['sql', 'python'] %}
    {% if model.language == 'python' %}
        {% call statement('python', language='python') %}{{ spark_python(compiled_code) }}{% endcall %}
    {% endif %}
    {{ return(spark_put_in_place(compiled_code)) }}
{% endmaterialization %}

{% macro is_incremental() %}
    {{ return(dbt.is_incremental() and not (target.type == 'spark' and model.language == 'sql')) }}
{% endmacro %}

{#- dbt_project/udfs/spark.py runs it. -#}
{% macro spark_python(compiled_code) %}
{{ compiled_code }}

location = "{{ spark_location() }}"
{% endmacro %}

{% macro spark_put_in_place(compiled_code) %}
    {% set existing = load_cached_relation(this) %}
    {% set target_relation = this.incorporate(type='table') %}
    {% set name = this.identifier ~ '__' ~ invocation_id[:8] %}
    {% set fresh = target_relation.incorporate(path={'identifier': name}) %}

    {{ run_hooks(pre_hooks) }}
    {% do adapter.drop_relation(fresh) %}
    {% call statement('main') -%}
        create table {{ fresh }} using parquet location '{{ spark_location() }}'
        {% if model.language == 'sql' %}
            {% if config.get('contract').enforced %}
                {{ get_assert_columns_equivalent(compiled_code) }}
                {% set compiled_code = get_select_subquery(compiled_code) %}
            {% endif %}
            as {{ compiled_code }}
        {% endif %}
    {%- endcall %}
    {% if existing is not none %}
        {% do adapter.drop_relation(existing) %}
    {% endif %}
    {% do adapter.rename_relation(fresh, target_relation) %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmacro %}

{#- Under the folder that driver and workers share, or in an object store. -#}
{% macro spark_location() -%}
    {{ env_var('CYBERIMPACT_LAKE') }}/warehouse/{{ this.schema }}/{{ this.identifier }}/{{ invocation_id[:8] }}
{%- endmacro %}

{#- Seeds in one file each, which keeps their lines in order: dbt-spark would cut them up. -#}
{% macro spark__load_csv_rows(model, agate_table) %}
    {% set types = model.config.get('column_types', {}) %}
    {% set values = [] %}
    {% for name in agate_table.column_names %}
        {% do values.append('cast(%s as ' ~ types.get(name, adapter.convert_type(agate_table, loop.index0)) ~ ')') %}
    {% endfor %}
    {% set rows = [] %}
    {% set bindings = [] %}
    {% for row in agate_table.rows %}
        {% do rows.append('(' ~ values | join(', ') ~ ')') %}
        {% do bindings.extend(row) %}
    {% endfor %}
    {% set sql = 'insert into ' ~ this ~ ' select /*+ coalesce(1) */ * from values ' ~ rows | join(', ') %}
    {% do adapter.add_query(sql, bindings=bindings, abridge_sql_log=True) %}
    {{ return(sql) }}
{% endmacro %}
