{{ config(materialized='view') }}
{% set colonnes = {
    'sujet': 'string',
    'compte_id': 'string',
    'langue': 'string',
    'texte': 'string',
    'vues_count': 'bigint',
    'reponses_count': 'bigint',
    'partages_count': 'bigint',
    'appreciations_count': 'bigint',
    'citations_count': 'bigint',
} %}
{# What each network calls otherwise, or does not tell (none). #}
{% set ecarts = {
    'x': {'compte_id': none},
    'mastodon': {'compte_id': none, 'vues_count': none},
    'bluesky': {'compte_id': none, 'vues_count': none},
    'youtube': {'sujet': none, 'partages_count': none, 'citations_count': none},
    'facebook': {
        'sujet': none,
        'langue': none,
        'vues_count': none,
        'citations_count': none,
        'appreciations_count': 'reactions_count',
    },
} %}

{% for plateforme, autres in ecarts.items() %}
    select
        '{{ plateforme }}' as plateforme,
        publication_id,
        publie_at,
        {{ jour_paris('publie_at') }} as jour,
        {% for colonne, type in colonnes.items() %}
            {{ autres.get(colonne, colonne) or 'cast(null as ' ~ type ~ ')' }} as {{ colonne }},
        {% endfor %}
        origine,
        chargement_id
    from {{ ref('stg_' ~ plateforme ~ '__publications') }}
    {% if not loop.last %}union all{% endif %}
{% endfor %}
