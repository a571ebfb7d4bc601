{% set mesures = [
    'messages_count', 'positifs_count', 'neutres_count', 'negatifs_count', 'repondables_count',
    'sans_reponse_count',
] %}
{% set familles = {
    'famille': 'true',
    "'messages'": "famille in ('avis', 'reseaux')",
    "'toutes'": 'true',
} %}

-- Counts first, of every département even at zero; then what they say, and how surely. Under the
-- need `tous` each message counts once.
with periodes as (
    select * from {{ ref('int_periodes__glissantes') }}
),

mensuelles as (
    select
        famille,
        mois,
        departement_code,
        besoin_code,
        {{ mesures | join(', ') }},
        is_masque,
        origine
    from {{ ref('int_demandes__mensuelles') }}
    where besoin_code != 'indetermine'
    union all
    select
        famille,
        mois,
        departement_code,
        'tous' as besoin_code,
        {{ mesures | join(', ') }},
        is_masque,
        origine
    from {{ ref('int_departements__mensuels') }}
),

communes as (
    select * from {{ ref('stg_geographie__communes') }}
    where commune_type = 'commune-actuelle'
),

populations as (
    select
        departement_code,
        cast(sum(population_count) as bigint) as population_count
    from communes
    group by departement_code
),

situees as (
    {% for famille, condition in familles.items() %}
        select
            periodes.periode_rang,
            periodes.debut_le,
            periodes.fin_le,
            {{ famille }} as famille,
            mensuelles.besoin_code,
            mensuelles.departement_code,
            {{ mesures | join(', ') }},
            mensuelles.is_masque,
            mensuelles.origine
        from periodes
        inner join mensuelles
            on mensuelles.mois between periodes.debut_le and periodes.fin_le
        where {{ condition }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

exprimes as (
    select
        periode_rang,
        debut_le,
        fin_le,
        famille,
        besoin_code,
        min(origine) as origine
    from situees
    group by periode_rang, debut_le, fin_le, famille, besoin_code
),

lieux as (
    select
        departements.departement_code,
        populations.population_count
    from {{ ref('stg_geographie__departements') }} as departements
    left join populations
        on departements.departement_code = populations.departement_code
    union all
    select
        null as departement_code,
        null as population_count
),

comptes as (
    select
        periode_rang,
        famille,
        besoin_code,
        departement_code,
        {% for mesure in mesures %}
            cast(sum({{ mesure }}) as bigint) as {{ mesure }},
        {% endfor %}
        bool_or(is_masque) as is_masque
    from situees
    group by periode_rang, famille, besoin_code, departement_code
),

completes as (
    select
        exprimes.*,
        lieux.departement_code,
        lieux.population_count,
        -- No cell is no message; a cell without a count is a hidden one.
        case when comptes.periode_rang is null then 0 else comptes.messages_count end
            as messages_count,
        comptes.positifs_count,
        comptes.neutres_count,
        comptes.negatifs_count,
        coalesce(comptes.repondables_count, 0) as repondables_count,
        coalesce(comptes.sans_reponse_count, 0) as sans_reponse_count,
        comptes.positifs_count + comptes.neutres_count + comptes.negatifs_count
            as tonalites_count,
        coalesce(comptes.is_masque, false) as is_masque
    from exprimes
    cross join lieux
    left join comptes
        on
            exprimes.periode_rang = comptes.periode_rang
            and exprimes.famille = comptes.famille
            and exprimes.besoin_code = comptes.besoin_code
            and coalesce(lieux.departement_code, '') = coalesce(comptes.departement_code, '')
),

-- What cannot be placed, or told, has no rate, and weighs on none.
exposes as (
    select
        *,
        case when messages_count is not null then population_count / 1e5 end as exposition,
        case when departement_code is not null then tonalites_count end as tonalites_situees_count
    from completes
),

{% set groupe = 'partition by periode_rang, famille, besoin_code' %}
taux as (
    {{ ratios_lisses('exposes', 'taux', 'messages_count', 'exposition', groupe) }}
),

parts as (
    {{ ratios_lisses(
        'taux', 'part', 'negatifs_count', 'tonalites_situees_count', groupe, 'binomiale'
    ) }}
),

seuils as (
    {{ seuils('besoins_taux', ['z_intervalle', 'z_position', 'messages_min']) }}
),

etats as (
    select distinct
        periode_rang,
        besoin_code,
        etat_besoin
    from {{ ref('int_besoins__adequation') }}
)

select
    parts.periode_rang,
    parts.debut_le,
    parts.fin_le,
    parts.famille,
    parts.besoin_code,
    parts.departement_code,
    parts.messages_count,
    parts.positifs_count,
    parts.neutres_count,
    parts.negatifs_count,
    parts.repondables_count,
    parts.sans_reponse_count,
    parts.is_masque,
    parts.population_count,
    parts.taux as taux_pour_100000,
    {{ byar_bas('parts.messages_count', 'seuils.z_intervalle') }} / parts.exposition as taux_bas,
    {{ byar_haut('parts.messages_count', 'seuils.z_intervalle') }} / parts.exposition as taux_haut,
    parts.taux_moyen as taux_national,
    case when parts.exposition > 0 then parts.taux_lisse end as taux_lisse,
    case
        when parts.exposition > 0 then
            case
                when
                    parts.messages_count >= seuils.messages_min
                    and {{ byar_bas('parts.messages_count', 'seuils.z_position') }}
                    > parts.taux_moyen * parts.exposition
                    then 'au_dessus'
                when
                    {{ byar_haut('parts.messages_count', 'seuils.z_position') }}
                    < parts.taux_moyen * parts.exposition
                    then 'au_dessous'
                else 'comme_ailleurs'
            end
    end as position,
    1e0 * parts.negatifs_count / nullif(parts.tonalites_count, 0) as part_negative,
    {% for bord in ['bas', 'haut'] %}
        {% set wilson = wilson_bas if bord == 'bas' else wilson_haut %}
        {{ wilson('parts.negatifs_count', 'parts.tonalites_count', 'seuils.z_intervalle') }}
            as part_negative_{{ bord }},
    {% endfor %}
    parts.part_moyen as part_negative_nationale,
    case when parts.exposition > 0 then parts.part_lisse end as part_negative_lissee,
    case when parts.exposition > 0 then parts.taux_lisse * parts.part_lisse end
        as ecart_pour_100000,
    etats.etat_besoin,
    parts.origine
from parts
cross join seuils
left join etats
    on
        parts.periode_rang = etats.periode_rang
        and parts.besoin_code = etats.besoin_code
