{#- The rows of `fraiches`, read in the texts that are there, and what an earlier run read in texts
    of posts that have left since (ADR 19), without the words of them that `citations` holds. What
    was read in a post leaves with its row. -#}
{% macro sans_oublier(fraiches, colonnes, citations) %}
    {% set publications = ref('int_publications__unioned') %}
    select
        {{ colonnes | join(', ') }},
        {{ citations }}
    from {{ fraiches }}
    {% if execute and not flags.FULL_REFRESH and adapter.get_relation(
        this.database, this.schema, this.identifier
    ) %}
        union all
        select
            {% for colonne in colonnes %}anciennes.{{ colonne }}, {% endfor %}
            cast(null as varchar) as {{ citations }}
        from {{ this }} as anciennes
        inner join (
            select plateforme || ':' || publication_id as message_id
            from {{ publications }}
            group by plateforme, publication_id
            having max(texte) is null
        ) as sans_texte
            on anciennes.message_id = sans_texte.message_id
    {% endif %}
{% endmacro %}
