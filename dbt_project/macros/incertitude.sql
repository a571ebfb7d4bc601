{#- What a count says and does not say. Values of reference: tests/test_besoins.py. -#}

{#- Wilson's interval of a share, whose bounds stay between 0 and 1 (Wilson 1927, Newcombe 1998). -#}
{% macro wilson(count, total, z, signe) -%}
    (
        {{ count }} + {{ z }} * {{ z }} / 2e0
        {{ signe }} {{ z }} * sqrt(
            1e0 * {{ count }} * ({{ total }} - {{ count }}) / {{ total }} + {{ z }} * {{ z }} / 4e0
        )
    ) / ({{ total }} + {{ z }} * {{ z }})
{%- endmacro %}

{% macro wilson_bas(count, total, z) -%}
    case when {{ total }} > 0 then greatest(0e0, {{ wilson(count, total, z, '-') }}) end
{%- endmacro %}

{% macro wilson_haut(count, total, z) -%}
    case when {{ total }} > 0 then least(1e0, {{ wilson(count, total, z, '+') }}) end
{%- endmacro %}

{#- Byar's bounds of a Poisson count, within 2 % of the exact ones from five on (Breslow, Day 1987). -#}
{% macro byar_bas(count, z) -%}
    case when {{ count }} > 0 then
        {{ count }} * power(
            greatest(0e0, 1 - 1 / (9e0 * {{ count }}) - {{ z }} / (3 * sqrt({{ count }}))), 3
        )
    when {{ count }} = 0 then 0e0 end
{%- endmacro %}

{% macro byar_haut(count, z) -%}
    ({{ count }} + 1) * power(
        1 - 1 / (9e0 * ({{ count }} + 1)) + {{ z }} / (3 * sqrt({{ count }} + 1)), 3
    )
{%- endmacro %}

{#- Empirical Bayes (Marshall 1991): a ratio goes towards the mean of its group, the more so as chance
    alone outweighs what truly differs between the places of the group. To the columns of `lignes` it
    adds `<nom>` (count / total), `<nom>_moyen` and `<nom>_lisse`; a line without a total weighs
    nothing and gets the mean. `loi`: `poisson` for events over an exposure, `binomiale` for a share. -#}
{% macro ratios_lisses(lignes, nom, count, total, groupe, loi='poisson') -%}
    {% set reste = '(1 - ' ~ nom ~ '_moyen)' if loi == 'binomiale' else '1' %}
    select
        *,
        case
            when {{ total }} > 0 and {{ nom }}_dispersion > {{ nom }}_bruit then
                {{ nom }}_moyen + ({{ nom }} - {{ nom }}_moyen)
                * ({{ nom }}_dispersion - {{ nom }}_bruit)
                / (
                    {{ nom }}_dispersion - {{ nom }}_bruit
                    + {{ nom }}_moyen * {{ reste }} / {{ total }}
                )
            else {{ nom }}_moyen
        end as {{ nom }}_lisse
    from (
        select
            *,
            -- What is seen to vary between places, and what chance alone would make vary.
            sum({{ total }} * power({{ nom }} - {{ nom }}_moyen, 2)) over ({{ groupe }})
            / nullif(sum({{ total }}) over ({{ groupe }}), 0) as {{ nom }}_dispersion,
            {{ nom }}_moyen * {{ reste }}
            / avg(case when {{ total }} > 0 then {{ total }} end) over ({{ groupe }})
                as {{ nom }}_bruit
        from (
            select
                *,
                1e0 * {{ count }} / nullif({{ total }}, 0) as {{ nom }},
                1e0 * sum(case when {{ total }} > 0 then {{ count }} end) over ({{ groupe }})
                / nullif(sum({{ total }}) over ({{ groupe }}), 0) as {{ nom }}_moyen
            from {{ lignes }}
        ) as {{ nom }}_moyens
    ) as {{ nom }}_varies
{%- endmacro %}
