"""Every source is named here: what it is, where it comes from, how it is brought home.

Everything about one outside system stands in its module under `sources/`; `landings` brings it in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from dlt.extract import DltSource

from dlt_pipelines import stores
from dlt_pipelines.sources import (
    avis_google,
    bluesky,
    campagnes,
    competences,
    facebook,
    geographie,
    instagram,
    jedonnemonavis,
    linkedin,
    ma_gendarmerie,
    mastodon,
    matomo,
    moyens,
    observatoire,
    perceval,
    piano,
    pre_plainte,
    services_publics_plus,
    signalements_agreges,
    ssmsi,
    structures,
    triage,
    unites,
    x,
    youtube,
)


@dataclass(frozen=True)
class Processing:
    """What the record of processing (GDPR, article 30) says of the sources of one pillar."""

    label: str
    purpose: str
    basis: str
    recipients: str


TEAM = "Équipe de données de la Gendarmerie nationale, seule à lire les données brutes"
READERS = f"{TEAM} ; analystes et chefs de service, qui ne lisent que les tables publiées"
MISSION = "Mission d’intérêt public (RGPD, article 6, 1, e)"

PROCESSINGS = {
    "perception": Processing(
        "Perception des usagers",
        "Comprendre ce que les usagers disent des services de la Gendarmerie, et de quoi ils ont "
        "besoin, pour les améliorer.",
        MISSION,
        READERS,
    ),
    "actions": Processing(
        "Signalements, contacts et déclarations",
        "Compter les signalements, les contacts et les déclarations en ligne, et voir où ils "
        "montent, pour orienter la prévention et les moyens.",
        MISSION,
        READERS,
    ),
    "visibilite": Processing(
        "Audience et conversations publiques",
        "Mesurer l’audience des sites et des comptes de la Gendarmerie, et repérer ce qui se "
        "propage sur ses sujets, sans suivre personne.",
        MISSION,
        READERS,
    ),
    "signaux": Processing(
        "Triage des signaux",
        "Savoir ce que valent les signaux levés, d’après ce qu’en disent les officiers de "
        "permanence, pour en régler les seuils ; aucun agent n’est évalué.",
        MISSION,
        READERS,
    ),
    "contexte": Processing(
        "Contexte public",
        "Situer les chiffres dans leur contexte, par des statistiques publiques.",
        "Sans objet : aucune donnée personnelle",
        READERS,
    ),
    "reference": Processing(
        "Référentiels",
        "Nommer les lieux, les unités et les structures.",
        "Sans objet : aucune donnée personnelle",
        READERS,
    ),
}
"""Pillar → its processing."""

NOBODY = "Aucune"
WRITERS = "Usagers qui écrivent à l’administration ou d’elle"
POSTERS = "Personnes qui publient sur nos sujets"


@dataclass(frozen=True)
class Retention:
    """How long the rows of a table are kept, in whole days of Paris.

    Attributes:
        by: date column from which the days run; a row without it is kept.
        days: age at which the row is deleted: a row of that very age is kept, an older one is not.
        texts: columns emptied sooner → days.
        reference: column by which a person can name the row, None when nothing in it is anybody's.
    """

    by: str
    days: int
    texts: Mapping[str, int] = field(default_factory=dict)
    reference: str | None = None


@dataclass(frozen=True)
class Following:
    """How a source is followed between two whole landings.

    Attributes:
        tables: those that tell of now; the others wait for the whole landing.
        every: how long a service is left in peace between two asks, within its rate limit.
        overlap: what is read again before the last ask, because it may be told late.
    """

    tables: tuple[str, ...]
    every: timedelta
    overlap: timedelta = timedelta(seconds=10)


# What no table declares, in days: the same purge takes it away.
KEPT_DAYS = {
    "depot": 30,  # files taken, of the sources that tell of persons
    "quarantaine": 365,
    "fichiers": 365,  # names of the files, which people choose
    "echecs": 90,  # messages of failed landings
    "journaux": 30,
    "runs": 90,  # of Dagster
}
YEAR = 365


@dataclass(frozen=True)
class Source:
    """An outside system, and how it is brought home.

    Attributes:
        declare: its dlt source; called with `pages` or `documents` when files feed it.
        tables: names of its resources.
        reads: kind of its files, None when it has none.
        recognise: raises ValueError when a JSON document is another one.
        folder: where its files lie, when not in the depot.
        keeps_history: False when the service answers for now or the last days, so that the sandbox
            has to be asked again and again to tell its past.
        observed_every: how far apart, at most, those asks are.
        reach: how far back the service answers, when it says so.
        look_back: what is read again before the last cursor, because it changes late.
        slice: longest span asked at once; a long past lands slice by slice, and resumes there.
        windows: table → date column of the tables whose window asked is replaced: what the service
            no longer tells is deleted.
        header: columns of a CSV export that has no header.
        persons: whom its rows tell of, for the record of processing; NOBODY when that is so.
        retention: table → how long its rows are kept; the others tell of nobody, and stay.
        following: how it is followed by the minute, None when its figures are those of whole days.
    """

    name: str
    label: str
    pillar: str
    declare: Callable[..., DltSource]
    tables: tuple[str, ...]
    max_age: timedelta
    licence: str
    url: str
    reads: Literal["csv", "json"] | None = None
    recognise: Callable[[Any], None] = lambda document: None
    folder: Callable[[], Path] | None = None
    has_api: bool = False
    keeps_history: bool = True
    observed_every: timedelta = timedelta(days=6)
    reach: timedelta | None = None
    look_back: timedelta = timedelta(0)
    slice: timedelta = timedelta(days=366)
    windows: Mapping[str, str] = field(default_factory=dict)
    header: tuple[str, ...] = ()
    persons: str = ""
    retention: Mapping[str, Retention] = field(default_factory=dict)
    following: Following | None = None

    def reference(self, table: str) -> str | None:
        """Return the column by which a person can name a row of `table`."""
        retention = self.retention.get(table)
        return retention.reference if retention else None


CATALOG: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="geographie",
            label="Code officiel géographique",
            pillar="reference",
            declare=geographie.geographie,
            tables=("communes", "departements", "regions"),
            max_age=timedelta(days=550),
            licence="Licence Ouverte 2.0",
            url="https://www.insee.fr/fr/information/2560452",
            reads="json",
            recognise=geographie.recognise,
            folder=stores.cog_package,
            persons=NOBODY,
        ),
        Source(
            name="structures",
            label="Référentiel des structures de Services Publics+",
            pillar="reference",
            declare=structures.structures,
            tables=("structures",),
            max_age=timedelta(days=180),
            licence="Licence Ouverte 2.0",
            url="https://www.plus.transformation.gouv.fr",
            reads="csv",
            persons=NOBODY,
        ),
        Source(
            name="services_publics_plus",
            label="Services Publics+",
            pillar="perception",
            declare=services_publics_plus.services_publics_plus,
            tables=("experiences",),
            max_age=timedelta(days=3),
            licence="Licence Ouverte 2.0",
            url="https://www.plus.transformation.gouv.fr",
            reads="csv",
            has_api=True,
            look_back=timedelta(days=90),  # an answer changes a row long after its publication
            persons=WRITERS,
            retention={
                "experiences": Retention("publie_at", 5 * YEAR, reference="experience_id"),
            },
        ),
        Source(
            name="jedonnemonavis",
            label="Je donne mon avis",
            pillar="perception",
            declare=jedonnemonavis.jedonnemonavis,
            tables=("avis", "services", "statistiques"),
            max_age=timedelta(days=3),
            licence="Usage interne",
            url="https://jedonnemonavis.numerique.gouv.fr",
            reads="csv",
            has_api=True,
            look_back=timedelta(days=35),  # a review may be deleted long after it was written
            windows={"statistiques": "date"},
            persons=WRITERS,
            retention={"avis": Retention("cree_le", 3 * YEAR, reference="avis_id")},
        ),
        Source(
            name="avis_google",
            label="Avis Google des unités",
            pillar="perception",
            declare=avis_google.avis_google,
            tables=("reviews", "businesses", "groups"),
            max_age=timedelta(days=3),
            licence="Conditions d’utilisation de Partoo et de Google",
            url="https://developers.partoo.co",
            has_api=True,
            look_back=timedelta(days=3),  # Partoo collects once a day, and shows it a day later
            persons=WRITERS,
            retention={"reviews": Retention("date", 3 * YEAR, reference="id")},
        ),
        Source(
            name="perceval",
            label="Percev@l",
            pillar="actions",
            declare=perceval.perceval,
            tables=tuple(perceval.STREAMS),
            max_age=timedelta(days=35),
            licence="Usage interne",
            url="https://www.service-public.fr/particuliers/vosdroits/R46526",
            reads="json",
            recognise=perceval.recognise,
            persons=NOBODY,
        ),
        Source(
            name="ma_gendarmerie",
            label="Ma Gendarmerie (brigade numérique)",
            pillar="actions",
            declare=ma_gendarmerie.ma_gendarmerie,
            tables=("contacts",),
            max_age=timedelta(days=35),
            licence="Usage interne",
            url="https://www.gendarmerie.interieur.gouv.fr/a-votre-contact/brigade-numerique",
            reads="csv",
            header=ma_gendarmerie.HEADER,
            persons="Personnes qui joignent la brigade numérique",
            retention={"contacts": Retention("date", 3 * YEAR, reference="reference")},
            following=Following(("contacts",), timedelta(0)),
        ),
        Source(
            name="pre_plainte",
            label="Pré-plainte en ligne",
            pillar="actions",
            declare=pre_plainte.pre_plainte,
            tables=("declarations",),
            max_age=timedelta(days=35),
            licence="Usage interne",
            url="https://www.service-public.fr/particuliers/vosdroits/F1435",
            reads="csv",
            persons="Personnes qui déclarent une plainte en ligne",
            retention={
                "declarations": Retention(
                    "stats_debut_declaration", 3 * YEAR, reference="stats_id"
                ),
            },
        ),
        Source(
            name="unites",
            label="Unités de gendarmerie accueillant du public",
            pillar="reference",
            declare=unites.unites,
            tables=("unites",),
            max_age=timedelta(days=35),
            licence="Licence Ouverte 2.0",
            url="https://www.data.gouv.fr/fr/datasets/5369993fa3a729239d2051cd/",
            reads="csv",
            persons=NOBODY,
        ),
        Source(
            name="competences",
            label="Compétence territoriale police et gendarmerie",
            pillar="reference",
            declare=competences.competences,
            tables=("competences",),
            max_age=timedelta(days=400),
            licence="Licence Ouverte 2.0",
            url="https://www.data.gouv.fr/fr/datasets/5489cda0c751df35a24120e7/",
            reads="csv",
            persons=NOBODY,
        ),
        Source(
            name="observatoire",
            label="Observatoire des démarches essentielles",
            pillar="perception",
            declare=observatoire.observatoire,
            tables=("editions", "procedures", "indicateurs"),
            max_age=timedelta(days=120),
            licence="Licence Ouverte 2.0",
            url="https://observatoire.numerique.gouv.fr",
            has_api=True,
            look_back=timedelta(days=200),  # an edition is mended after it is published
            slice=timedelta(days=7300),  # a few editions a year: all of them at once
            persons=NOBODY,
        ),
        Source(
            name="campagnes",
            label="Campagnes de prévention",
            pillar="actions",
            declare=campagnes.campagnes,
            tables=("campagnes",),
            max_age=timedelta(days=120),
            licence="Usage interne",
            url="https://www.gendarmerie.interieur.gouv.fr",
            reads="csv",
            persons=NOBODY,
        ),
        Source(
            name="moyens",
            label="Moyens engagés",
            pillar="actions",
            declare=moyens.moyens,
            tables=("moyens",),
            max_age=timedelta(days=400),
            licence="Usage interne",
            url="https://www.gendarmerie.interieur.gouv.fr",
            reads="csv",
            persons=NOBODY,
        ),
        Source(
            name="signalements_agreges",
            label="Signalements agrégés",
            pillar="actions",
            declare=signalements_agreges.signalements_agreges,
            tables=("releves",),
            max_age=timedelta(days=65),
            licence="Celle de chaque service",
            url="https://www.masecurite.interieur.gouv.fr",
            reads="csv",
            persons=NOBODY,
        ),
        Source(
            name="triage",
            label="Triage des signaux",
            pillar="signaux",
            declare=triage.triage,
            tables=("verdicts",),
            max_age=timedelta(days=35),
            licence="Usage interne",
            url="https://www.gendarmerie.interieur.gouv.fr",
            reads="csv",
            persons="Officiers de permanence",
            retention={"verdicts": Retention("dit_at", 3 * YEAR)},
        ),
        Source(
            name="x",
            label="X (réseau social)",
            pillar="visibilite",
            declare=x.x,
            tables=("users", "tweet_counts", "tweets"),
            max_age=timedelta(days=2),
            licence="Conditions d’utilisation de l’API de X",
            url="https://docs.x.com/x-api",
            has_api=True,
            keeps_history=False,
            look_back=timedelta(days=1),
            persons=POSTERS,
            retention={
                "tweets": Retention(
                    "created_at", 3 * YEAR, {"text": x.RETENTION.days}, reference="id"
                ),
            },
            # X answers 300 calls a quarter of an hour, and tells what is 30 seconds old.
            following=Following(
                ("tweet_counts", "tweets"), timedelta(seconds=60), timedelta(seconds=60)
            ),
        ),
        Source(
            name="mastodon",
            label="Mastodon",
            pillar="visibilite",
            declare=mastodon.mastodon,
            tables=("accounts", "statuses", "trending_tags"),
            max_age=timedelta(days=2),
            licence="Conditions d’utilisation de chaque instance",
            url="https://docs.joinmastodon.org/api/",
            has_api=True,
            keeps_history=False,
            observed_every=timedelta(days=24),
            look_back=timedelta(days=2),  # reposts and favourites come for days
            persons=POSTERS,
            retention={
                "statuses": Retention("created_at", 3 * YEAR, {"text": 30}, reference="uri"),
                "trending_tags": Retention("day", YEAR),
            },
            # An instance answers 300 calls in five minutes: one a subject and ask.
            following=Following(("statuses",), timedelta(seconds=30)),
        ),
        Source(
            name="bluesky",
            label="Bluesky",
            pillar="visibilite",
            declare=bluesky.bluesky,
            tables=("profiles", "posts"),
            max_age=timedelta(days=2),
            licence="Conditions d’utilisation de Bluesky",
            url="https://docs.bsky.app",
            has_api=True,
            keeps_history=False,
            observed_every=timedelta(days=24),
            look_back=timedelta(days=2),
            persons=POSTERS,
            retention={
                "posts": Retention("indexed_at", 3 * YEAR, {"text": 30}, reference="uri"),
            },
            # The server answers 3,000 calls in five minutes: one a query and ask.
            following=Following(("posts",), timedelta(seconds=3)),
        ),
        Source(
            name="youtube",
            label="YouTube",
            pillar="visibilite",
            declare=youtube.youtube,
            tables=("channels", "videos"),
            max_age=timedelta(days=2),
            licence="Conditions d’utilisation de l’API de YouTube",
            url="https://developers.google.com/youtube/v3",
            has_api=True,
            keeps_history=False,
            observed_every=timedelta(days=24),
            persons=NOBODY,
        ),
        Source(
            name="facebook",
            label="Facebook",
            pillar="visibilite",
            declare=facebook.facebook,
            tables=("page_insights", "posts"),
            max_age=timedelta(days=3),
            licence="Conditions d’utilisation de la plateforme Meta",
            url="https://developers.facebook.com/docs/graph-api",
            has_api=True,
            reach=timedelta(days=730),
            look_back=timedelta(days=7),  # Meta settles its figures late, reactions come for days
            persons=NOBODY,
        ),
        Source(
            name="instagram",
            label="Instagram",
            pillar="visibilite",
            declare=instagram.instagram,
            tables=("accounts", "insights"),
            max_age=timedelta(days=3),
            licence="Conditions d’utilisation de la plateforme Meta",
            url="https://developers.facebook.com/docs/instagram-platform",
            has_api=True,
            keeps_history=False,
            reach=timedelta(days=30),
            look_back=timedelta(days=4),  # Meta settles its figures within 48 hours
            persons=NOBODY,
        ),
        Source(
            name="linkedin",
            label="LinkedIn",
            pillar="visibilite",
            declare=linkedin.linkedin,
            tables=("organizations", "share_statistics"),
            max_age=timedelta(days=3),
            licence="Conditions d’utilisation de l’API de LinkedIn",
            url="https://learn.microsoft.com/linkedin/marketing/",
            has_api=True,
            keeps_history=False,
            reach=timedelta(days=364),
            look_back=timedelta(days=2),
            persons=NOBODY,
        ),
        Source(
            name="piano",
            label="Piano Analytics (AT Internet)",
            pillar="visibilite",
            declare=piano.piano,
            tables=("visits", "pages", "geo", "means"),
            max_age=timedelta(days=3),
            licence="Usage interne",
            url="https://developers.atinternet-solutions.com/piano-analytics/data-api/",
            has_api=True,
            reach=timedelta(days=760),
            look_back=timedelta(days=3),
            persons="Visiteurs des sites, comptés seulement",
            # An address may bear what a visitor wrote in it; 25 months is what the CNIL allows.
            retention={"pages": Retention("date", 760)},
        ),
        Source(
            name="matomo",
            label="Matomo",
            pillar="visibilite",
            declare=matomo.matomo,
            tables=("sites", "visits", "pages"),
            max_age=timedelta(days=3),
            licence="Usage interne",
            url="https://developer.matomo.org/api-reference/reporting-api",
            has_api=True,
            reach=timedelta(days=760),
            look_back=timedelta(days=3),  # a site far overseas ends its day after Paris
            persons="Visiteurs des sites, comptés seulement",
            # An address may bear what a visitor wrote in it; 25 months is what the CNIL allows.
            retention={"pages": Retention("date", 760)},
        ),
        Source(
            name="ssmsi",
            label="Délinquance enregistrée (SSMSI)",
            pillar="contexte",
            declare=ssmsi.ssmsi,
            tables=("delinquance_departements",),
            max_age=timedelta(days=580),  # a year is told in the summer that follows it
            licence="Licence Ouverte 2.0",
            url="https://www.data.gouv.fr/fr/datasets/621df2954fa5a3b5a023e23c/",
            reads="csv",
            persons=NOBODY,
        ),
    )
}
