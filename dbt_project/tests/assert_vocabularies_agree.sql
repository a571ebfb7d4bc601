-- Two seeds that contradict each other stop the build, and the line to fix is named.
{{ config(meta={'dagster': {'ref': {'name': 'ref_methodes'}}}) }}

{% set taxonomies = {'taxo_besoins': 'besoin', 'taxo_themes': 'theme'} %}
{% set lexiques = ['lexique_besoins', 'lexique_themes', 'lexique_tonalite'] %}

with
{% for taxonomie, nom in taxonomies.items() %}
    {{ taxonomie }} as (
        select
            {{ nom }}_code as code,
            {{ nom }}_parent_code as parent_code,
            {{ ligne_du_fichier() }} as ligne
        from {{ ref(taxonomie) }}
    ),
{% endfor %}

{% for lexique in lexiques %}
    {{ lexique }} as (
        select
            code,
            motif,
            version,
            {{ ligne_du_fichier() }} as ligne
        from {{ ref(lexique) }}
    ),
{% endfor %}

services as (
    select
        service_code,
        {{ ligne_du_fichier() }} as ligne
    from {{ ref('ref_services_offerts') }}
),

fautes as (
    {% for taxonomie in taxonomies %}
        select
            '{{ taxonomie }}' as fichier,
            enfants.ligne,
            '« ' || enfants.code || ' » dépend de « ' || parents.code
            || ' », qui dépend déjà d''un autre : deux niveaux, pas trois.' as cause
        from {{ taxonomie }} as enfants
        inner join {{ taxonomie }} as parents
            on enfants.parent_code = parents.code
        where parents.parent_code is not null
        union all
    {% endfor %}
    select
        'taxo_themes' as fichier,
        taxo_themes.ligne,
        '« ' || taxo_themes.code || ' » est aussi un besoin (taxo_besoins.csv, ligne '
        || taxo_besoins.ligne || ').' as cause
    from taxo_themes
    inner join taxo_besoins
        on taxo_themes.code = taxo_besoins.code
    union all
    select
        'ref_services_offerts' as fichier,
        services.ligne,
        '« '
        || services.service_code
        || ' » ne répond à aucun besoin dans map_services__besoins.csv.'
            as cause
    from services
    where
        services.service_code not in (
            select reponses.service_code
            from {{ ref('map_services__besoins') }} as reponses
        )
    union all
    select
        'lexique_tonalite' as fichier,
        suivants.ligne,
        '« ' || suivants.motif || ' » est ' || suivants.code || ' ici et ' || premiers.code
        || ' ligne ' || premiers.ligne || '.' as cause
    from lexique_tonalite as suivants
    inner join lexique_tonalite as premiers
        on
            suivants.motif = premiers.motif
            and suivants.code != premiers.code
            and suivants.ligne > premiers.ligne
    {% for lexique in lexiques %}
        union all
        select
            '{{ lexique }}' as fichier,
            {{ lexique }}.ligne,
            'version ' || {{ lexique }}.version || ', quand ref_methodes.csv dit '
            || methodes.version || '.' as cause
        from {{ lexique }}
        inner join {{ ref('ref_methodes') }} as methodes
            on methodes.methode_id = '{{ lexique }}'
        where {{ lexique }}.version != methodes.version
    {% endfor %}
)

{{ stop_at_lines('fautes') }}
