-- A reason or a threat that nobody tied to a need is counted as such; somebody should add it.
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'int_contacts__unioned'}}}) }}

select
    'map_ma_gendarmerie__besoins' as referentiel,
    contacts.motif_parent as famille,
    contacts.motif as valeur,
    sum(contacts.contacts_count) as demandes_count
from {{ ref('int_contacts__unioned') }} as contacts
left join {{ ref('map_ma_gendarmerie__besoins') }} as motifs
    on
        lower(contacts.motif_parent) = lower(motifs.motif_parent)
        and lower(contacts.motif) = lower(motifs.motif)
where motifs.motif is null
group by contacts.motif_parent, contacts.motif
union all
select
    'map_menaces__besoins' as referentiel,
    signalements.source as famille,
    signalements.menace as valeur,
    sum(signalements.signalements_count) as demandes_count
from {{ ref('int_signalements__unioned') }} as signalements
left join {{ ref('map_menaces__besoins') }} as menaces
    on
        signalements.source = menaces.source
        and signalements.menace = menaces.menace
where menaces.menace is null
group by signalements.source, signalements.menace
