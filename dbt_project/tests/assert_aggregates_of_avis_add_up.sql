-- The same messages by day, month and place, service, structure: one total, or a page is wrong.
with totaux as (
    {% for mart in ['quotidiens', 'mensuels', 'services', 'structures'] %}
        select
            '{{ mart }}' as mart,
            source,
            sum(avis_count) as avis_count,
            sum(repondus_count) as repondus_count,
            sum(positifs_count + 2 * neutres_count + 3 * negatifs_count) as ressentis
        from {{ ref('fct_avis__' ~ mart) }}
        group by source
        union all
    {% endfor %}
    select
        'avis' as mart,
        source,
        count(*) as avis_count,
        count(case when is_repondu then 1 end) as repondus_count,
        sum(
            case ressenti when 'positif' then 1 when 'neutre' then 2 when 'negatif' then 3 end
        ) as ressentis
    from {{ ref('fct_avis') }}
    group by source
)

select source
from totaux
group by source
having
    min(avis_count) != max(avis_count)
    or min(repondus_count) != max(repondus_count)
    or min(ressentis) != max(ressentis)
    or count(*) != 5
