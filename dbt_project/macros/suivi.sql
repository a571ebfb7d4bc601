{#- What is followed by the minute (docs/adr/0018-warm-worker.md). The worker runs dbt with the
    variable `suivi`: an incremental model in SQL then makes again what is dated in its window, in
    the country's time yesterday and today. Every other run makes it whole, so that what was deleted
    or corrected further back is too. A model in Python knows by itself what is new. -#}

{% macro should_full_refresh() %}
    {% do return(flags.FULL_REFRESH or (model.language == 'sql' and not var('suivi', false))) %}
{% endmacro %}

{% macro debut_suivi() -%}
    {{ plus_jours(aujourd_hui(), -1) }}
{%- endmacro %}

{#- True of the rows loaded in the last `jours`: nothing is loaded before it is dated, and DuckDB
    reads no further, since a load's name is its second and rows lie in the order of their loads. -#}
{% macro charge_depuis(jours) -%}
    chargement_id
    >= cast({{ secondes_unix('current_timestamp') }} - 86400 * {{ jours }} as string)
{%- endmacro %}

{#- The instant (UTC) that a run has reached: the hour that goes on is told by what it holds already,
    which can only grow. -#}
{% macro maintenant() -%}
    {% if var('aujourd_hui', none) -%}
        {{ debut_paris(aujourd_hui()) }}
    {%- else -%}
        {{ utc('current_timestamp') }}
    {%- endif %}
{%- endmacro %}

{#- Take out of an incremental model what is no longer in the model that it reads: said by a hook,
    and not by the worker, whose landings delete nothing. -#}
{% macro oublier_disparus(lu, cle) -%}
    {% if execute and not var('suivi', false) and is_incremental() -%}
        {{ effacer(cle ~ ' not in (select ' ~ cle ~ ' from ' ~ ref(lu) ~ ')') }}
    {%- endif %}
{%- endmacro %}
