{# What each network calls otherwise, or does not tell (none). #}
{% set ecarts = {
    'x': {},
    'mastodon': {},
    'bluesky': {},
    'youtube': {},
    'facebook': {'publications_count': none},
    'instagram': {},
    'linkedin': {'publications_count': none},
} %}

with observations as (
    {% for plateforme, autres in ecarts.items() %}
        select
            '{{ plateforme }}' as plateforme,
            compte_id,
            identifiant,
            jour,
            departement_code,
            abonnes_count,
            {{ autres.get('publications_count', 'publications_count') or 'cast(null as bigint)' }}
                as publications_count,
            origine
        from {{ ref('stg_' ~ plateforme ~ '__comptes') }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
)

-- A network may hide how many follow an account.
select * from observations
where abonnes_count is not null
