{{ config(materialized='view') }}

{% for grain in ['jours_juges', 'heures_jugees'] %}
    select
        serie_id,
        grain,
        famille,
        source,
        sujet,
        departement_code,
        departements_codes,
        periode_at,
        fin_at,
        observe_count,
        attendu_count,
        attendu_bas_count,
        attendu_haut_count,
        surprise,
        chance,
        forme,
        is_alerte,
        series_suivies_count,
        methode_id,
        methode_version,
        is_personnes,
        origine
    from {{ ref('int_series__' ~ grain) }}
    {% if not loop.last %}union all{% endif %}
{% endfor %}
