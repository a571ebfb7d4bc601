with experiences as (
    select * from {{ ref('stg_services_publics_plus__experiences') }}
)

{% for rang in [1, 2, 3] %}
    select
        'services_publics_plus:' || experience_id as avis_id,
        {{ rang }} as rang,
        typologie_{{ rang }} as typologie,
        canaux_typologie_{{ rang }} as canaux,
        code_postal_typologie_{{ rang }} as code_postal,
        coalesce(pays_typologie_{{ rang }}, pays) as pays,
        structure_{{ rang }}_id as structure_id,
        structure_{{ rang }}_label as structure_label
    from experiences
    where
        typologie_{{ rang }} is not null
        or code_postal_typologie_{{ rang }} is not null
        or structure_{{ rang }}_id is not null
        or structure_{{ rang }}_label is not null
    {% if not loop.last %}union all{% endif %}
{% endfor %}
