-- Its views would count twice.
{{ config(meta={'dagster': {'ref': {'name': 'fct_audience'}}}) }}

select
    audience.source,
    audience.site_label,
    audience.page,
    count(distinct pages.service_code) as services_count
from {{ ref('fct_audience') }} as audience
inner join {{ ref('map_pages__services') }} as pages
    on
        audience.source = pages.source
        and lower(audience.site_label) like pages.site_motif
        and lower(audience.page) like pages.page_motif
group by audience.source, audience.site_label, audience.page
having count(distinct pages.service_code) > 1
