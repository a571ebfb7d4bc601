{#- The rows of `fraiches`, but for what an earlier run closed (ADR 13): a period is open again for
    14 days, and a closed one keeps what it said. The texts that tell places are purged after 30
    days, and a source may take back or send again years of counts; what was judged on them stands.
    A new source, a new series, another origin and what lies before the first day are all new. -#}
{% macro sans_recrire(fraiches, temps, colonnes) %}
    {% if not execute or flags.FULL_REFRESH or not adapter.get_relation(
        this.database, this.schema, this.identifier
    ) -%}
        select {{ colonnes | join(', ') }}
        from {{ fraiches }}
    {%- else -%}
        , anciennes as (
            select {{ colonnes | join(', ') }}
            from {{ this }}
        ),

        ouverture as (
            {{ seuils('series', ['reouverture_jours']) }}
        ),

        closes as (
            select
                anciennes.source,
                anciennes.origine,
                min(anciennes.{{ temps }}) as debut,
                max(anciennes.{{ temps }})
                - interval '1 day' * cast(min(ouverture.reouverture_jours) as integer) as fin
            from anciennes
            cross join ouverture
            group by anciennes.source, anciennes.origine
        ),

        suivies as (
            select distinct serie_id from anciennes
        ),

        courantes as (
            select distinct
                source,
                origine
            from {{ fraiches }}
        )

        select {% for colonne in colonnes %}anciennes.{{ colonne }}{{ ", " if not loop.last }}{% endfor %}
        from anciennes
        inner join closes
            on anciennes.source = closes.source and anciennes.origine = closes.origine
        inner join courantes
            on anciennes.source = courantes.source and anciennes.origine = courantes.origine
        where anciennes.{{ temps }} <= closes.fin
        union all
        select {% for colonne in colonnes %}fraiches.{{ colonne }}{{ ", " if not loop.last }}{% endfor %}
        from {{ fraiches }} as fraiches
        left join closes
            on fraiches.source = closes.source and fraiches.origine = closes.origine
        left join suivies on fraiches.serie_id = suivies.serie_id
        where
            closes.source is null
            or suivies.serie_id is null
            or fraiches.{{ temps }} > closes.fin
            or fraiches.{{ temps }} < closes.debut
    {%- endif %}
{% endmacro %}
