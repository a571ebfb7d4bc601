with histoires as (
    select * from {{ ref('int_histoires__decrites') }}
    where montee_at is not null and not origine_officielle
),

publications as (
    select
        groupees.histoire_id,
        recues.publie_at,
        recues.texte,
        recues.origine,
        row_number() over (
            partition by groupees.histoire_id order by recues.publie_at, recues.publication_id
        ) as rang,
        max(recues.publie_at) over () as maintenant_at
    from {{ ref('int_publications__groupees') }} as groupees
    inner join {{ ref('int_publications__unioned') }} as recues
        on
            groupees.plateforme = recues.plateforme
            and groupees.publication_id = recues.publication_id
),

seuils as (
    {{ seuils('rumeurs', ['extrait_jours', 'extrait_caracteres']) }}
),

-- Personal text, though redacted, is shown for the time that it is kept, and no longer.
extraits as (
    select
        publications.histoire_id,
        publications.origine,
        case
            when
                publications.publie_at
                >= {{ plus_jours('publications.maintenant_at', '-seuils.extrait_jours') }}
                then
                    left(publications.texte, cast(seuils.extrait_caracteres as integer))
                    || case
                        when length(publications.texte) > seuils.extrait_caracteres then '…'
                        else ''
                    end
        end as extrait
    from publications
    cross join seuils
    where publications.rang = 1
),

montees as (
    select
        histoires.histoire_id,
        {{ joindre('histoires.mots', ' · ') }} as titre,
        {{ utc('histoires.premiere_at') }} as premiere_vue_at,
        {{ utc('histoires.montee_at') }} as montee_at,
        {{ utc('histoires.derniere_at') }} as derniere_vue_at,
        {{ semaine(jour_paris(utc('histoires.montee_at'))) }} as semaine_le,
        histoires.publications_count,
        -- Who wrote is never brought in.
        cast(null as bigint) as auteurs_count,
        {{ joindre('histoires.plateformes', ',') }} as reseaux,
        nullif({{ joindre('histoires.departements', ',') }}, '') as departements_codes,
        {{ joindre('histoires.mots', ',') }} as mots,
        cast(histoires.vitesse_max_par_heure as double) as vitesse_par_heure,
        histoires.doublement_minutes / 60 as doublement_heures,
        histoires.portee_count,
        1e0 * histoires.copies_count / histoires.publications_count as part_copies,
        1e0 * histoires.doute_count / histoires.publications_count as part_doute,
        1e0 * histoires.dementi_count / histoires.publications_count as part_dementi,
        {{ utc('histoires.reponse_at') }} as reponse_officielle_at,
        histoires.reponse_delai_minutes / 60 as reponse_delai_heures,
        extraits.extrait,
        replace(histoires.etat, 'non vérifié,', 'non vérifiée,') as etat_label,
        extraits.origine
    from histoires
    inner join extraits
        on histoires.histoire_id = extraits.histoire_id
)

select
    *,
    -- Those that spread still, and that people doubt most.
    cast(row_number() over (
        partition by semaine_le
        order by
            case when etat_label = 'non vérifiée, se propage' then 0 else 1 end asc,
            part_doute + part_dementi desc,
            vitesse_par_heure desc,
            histoire_id asc
    ) as bigint) as rang
from montees
