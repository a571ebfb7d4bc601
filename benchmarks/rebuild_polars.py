"""What somebody would write by hand in Polars, to make the tables of rebuild.OUTPUTS.

Each table is a Parquet file. Queries are lazy and run by the streaming engine; what several of them
read is written once, beside the outputs.
"""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from benchmarks.rebuild_pandas import MEASURES, NETWORKS, POLARITY

TONES = ("positif", "neutre", "negatif")


def make(inputs: Path, outputs: Path) -> None:
    def read(table: str) -> pl.LazyFrame:
        return pl.scan_parquet(inputs / f"{table}.parquet")

    def write(name: str, table: pl.LazyFrame) -> pl.LazyFrame:
        path = outputs / f"{name}.parquet"
        table.sink_parquet(path)
        return pl.scan_parquet(path)

    avis = write("avis", _avis(read))
    posts = _publications(read)
    messages = write("int_messages__unioned", _messages(avis, posts, read))
    write("fct_besoins", _besoins(messages, avis, read))

    write(
        "fct_publications",
        posts.group_by("plateforme", "sujet", _mois("jour").alias("mois"), "origine").agg(
            pl.len().alias("publications_count"),
            *(_sum(name).alias(f"{name}_count") for name in MEASURES),
        ),
    )
    counted = read("x__tweet_counts").select(
        pl.lit("x").alias("plateforme"),
        "sujet",
        pl.col("start_at").alias("heure_at"),
        pl.col("post_count").alias("messages_count"),
        pl.col("_origine").alias("origine"),
    )
    hourly = (
        posts.filter(pl.col("plateforme").is_in(["mastodon", "bluesky"]))
        .group_by(
            "plateforme",
            "sujet",
            pl.col("publie_at").dt.truncate("1h").alias("heure_at"),
            "origine",
        )
        .agg(pl.len().cast(pl.Int64).alias("messages_count"))
    )
    volumes = write(
        "fct_volumes_sociaux", pl.concat([counted, hourly.select(counted.collect_schema().names())])
    )
    write(
        "fct_volumes_sociaux__quotidiens",
        volumes.group_by("plateforme", "sujet", _jour("heure_at").alias("jour"), "origine").agg(
            pl.col("messages_count").sum()
        ),
    )

    public = avis.filter(pl.col("source") != "jedonnemonavis").with_columns(
        _mois("jour").alias("mois")
    )
    scope = "is_perimetre_gendarmerie"
    write(
        "fct_avis__delais",
        public.filter(pl.col("delai_reponse_jours").is_not_null())
        .group_by("source", "mois", scope, "delai_reponse_jours", "origine")
        .agg(pl.len().alias("avis_count")),
    )
    counts = [
        pl.len().alias("avis_count"),
        *((pl.col("ressenti") == tone).sum().alias(f"{tone}s_count") for tone in TONES),
        pl.col("is_repondu").sum().alias("repondus_count"),
    ]
    delays = [
        pl.col("delai_reponse_jours").count().alias("delais_count"),
        _sum("delai_reponse_jours").alias("delais_jours"),
    ]
    for name, keys, more in (
        ("fct_avis__mensuels", ("source", "mois", "departement_code"), delays),
        ("fct_avis__quotidiens", ("source", "jour"), []),
        ("fct_avis__services", ("source", "mois", "service_label"), []),
        ("fct_avis__structures", ("source", "mois", "structure_id", "structure_label"), []),
    ):
        write(name, public.group_by(*keys, scope, "origine").agg(*counts, *more))

    contacts = _contacts(read)
    for name, keys in (
        ("int_contacts__quotidiens", ("source", "mois", "jour", "origine")),
        (
            "int_contacts__mensuels",
            ("source", "mois", "categorie", "motif_parent", "motif", "origine"),
        ),
    ):
        write(name, contacts.group_by(keys).agg(pl.len().alias("contacts_count")))


def _avis(read) -> pl.LazyFrame:
    code = pl.col("title").str.replace_all("[^A-Za-z0-9-]+", "_")
    titles = (
        read("jedonnemonavis__services").group_by(code.alias("demarche")).agg(pl.col("title").min())
    )
    published = pl.coalesce(
        "cree_at", pl.col("cree_le").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    )
    jdma = (
        read("jedonnemonavis__avis")
        .join(titles, on="demarche", how="left")
        .select(
            pl.format("jedonnemonavis:{}/{}", "avis_id", "cree_le").alias("avis_id"),
            pl.lit("jedonnemonavis").alias("source"),
            published.alias("publie_at"),
            _jour(published).alias("jour"),
            pl.lit(None, pl.String).alias("titre"),
            pl.col("verbatim").alias("texte"),
            pl.coalesce("title", pl.col("demarche").str.replace_all("_", " ")).alias(
                "service_label"
            ),
            pl.lit(None, pl.String).alias("structure_id"),
            pl.lit(None, pl.String).alias("structure_label"),
            _polarity("satisfaction"),
            pl.lit(True).alias("is_perimetre_gendarmerie"),
            pl.lit(None, pl.Boolean).alias("is_repondu"),
            pl.lit(None, pl.Int64).alias("delai_reponse_jours"),
            pl.col("_origine").alias("origine"),
        )
    )

    units = read("avis_google__businesses").select(pl.col("id").alias("business_id"), "name")
    google = (
        read("avis_google__reviews")
        .filter((pl.col("state").fill_null("") != "deleted") & pl.col("delete_date").is_null())
        .join(units, on="business_id", how="left")
        .select(
            pl.format("avis_google:{}", "id").alias("avis_id"),
            pl.lit("avis_google").alias("source"),
            pl.col("date").alias("publie_at"),
            _jour("date").alias("jour"),
            pl.lit(None, pl.String).alias("titre"),
            pl.col("content").alias("texte"),
            pl.lit(None, pl.String).alias("service_label"),
            pl.lit(None, pl.String).alias("structure_id"),
            pl.col("name").alias("structure_label"),
            _polarity(pl.col("rating").cast(pl.String)),
            pl.lit(True).alias("is_perimetre_gendarmerie"),
            pl.col("reply_date").is_not_null().alias("is_repondu"),
            (_jour("reply_date") - _jour("date")).dt.total_days().alias("delai_reponse_jours"),
            pl.col("_origine").alias("origine"),
        )
    )

    scope = read("ref_perimetre_gendarmerie").collect()
    kinds, labels = (
        scope.filter(pl.col("objet") == what)["libelle"].str.to_lowercase().implode()
        for what in ("typologie", "structure")
    )
    ours = read("int_structures__localisees").filter("is_gendarmerie").collect()
    ours = ours["structure_id"].implode()
    ranks = (1, 2, 3)
    concerned = pl.any_horizontal(
        pl.col(f"{column}_{rank}{end}").pipe(case).is_in(known).fill_null(False)
        for rank in ranks
        for column, end, known, case in (
            ("typologie", "", kinds, lambda text: text.str.to_lowercase()),
            ("structure", "", labels, lambda text: text.str.to_lowercase()),
            ("structure", "_id", ours, lambda text: text),
        )
    )
    answered = pl.any_horizontal(
        (pl.col("statut") == "Expérience avec réponse").fill_null(False),
        pl.col("premiere_reponse_at").is_not_null(),
        *(pl.col(f"reponse_structure_{rank}").is_not_null() for rank in ranks),
    )
    plus = read("services_publics_plus__experiences").select(
        pl.format("services_publics_plus:{}", "experience_id").alias("avis_id"),
        pl.lit("services_publics_plus").alias("source"),
        "publie_at",
        _jour("publie_at").alias("jour"),
        "titre",
        pl.col("description").alias("texte"),
        pl.coalesce("typologie_1", "typologie_2", "typologie_3").alias("service_label"),
        pl.col("structure_1_id").alias("structure_id"),
        pl.col("structure_1").alias("structure_label"),
        _polarity("ressenti"),
        concerned.alias("is_perimetre_gendarmerie"),
        answered.alias("is_repondu"),
        (_jour("premiere_reponse_at") - _jour("publie_at"))
        .dt.total_days()
        .alias("delai_reponse_jours"),
        pl.col("_origine").alias("origine"),
    )
    return (
        pl.concat([jdma, google, plus])
        .join(read("int_avis__localises"), on="avis_id", how="left")
        .with_columns(pl.col("geo_precision").fill_null("inconnu"))
    )


def _publications(read) -> pl.LazyFrame:
    return pl.concat(
        [
            read(f"{network}__{table}").select(
                pl.lit(network).alias("plateforme"),
                pl.col(key).alias("publication_id"),
                pl.col(at).alias("publie_at"),
                _jour(at).alias("jour"),
                (pl.col(subject) if subject else pl.lit(None, pl.String)).alias("sujet"),
                pl.col(text).alias("texte"),
                *(
                    (pl.col(name) if name else pl.lit(None, pl.Int64)).alias(measure)
                    for measure, name in zip(MEASURES, measures, strict=True)
                ),
                pl.col("_origine").alias("origine"),
            )
            for network, (table, key, at, subject, text, measures) in NETWORKS.items()
        ]
    )


def _messages(avis: pl.LazyFrame, posts: pl.LazyFrame, read) -> pl.LazyFrame:
    posts = posts.filter(pl.col("sujet").is_not_null() & pl.col("texte").is_not_null())
    first = posts.group_by("plateforme", "publication_id").agg(pl.col("sujet").min())
    least = (
        read("ref_methodes")
        .filter((pl.col("methode_id") == "lieux") & (pl.col("parametre") == "confiance_min"))
        .collect()["valeur"]
        .item()
    )
    places = read("int_lieux__cites").filter(pl.col("confiance") >= least)
    reviews = avis.filter(pl.col("titre").is_not_null() | pl.col("texte").is_not_null()).select(
        pl.col("avis_id").alias("message_id"),
        pl.lit("avis").alias("famille"),
        "source",
        ((pl.col("titre") + ". ").fill_null("") + pl.col("texte").fill_null("")).alias("texte"),
        pl.col("publie_at").alias("ecrit_at"),
        "jour",
        "departement_code",
        "geo_precision",
        "is_perimetre_gendarmerie",
        "ressenti",
        "origine",
    )
    written = (
        posts.join(first, on=["plateforme", "publication_id", "sujet"], how="semi")
        .select(
            pl.format("{}:{}", "plateforme", "publication_id").alias("message_id"),
            pl.lit("reseaux").alias("famille"),
            pl.col("plateforme").alias("source"),
            "texte",
            pl.col("publie_at").alias("ecrit_at"),
            "jour",
            pl.lit(True).alias("is_perimetre_gendarmerie"),
            pl.lit(None, pl.String).alias("ressenti"),
            "origine",
        )
        .join(places.select("message_id", "departement_code"), on="message_id", how="left")
        .with_columns(
            pl.when(pl.col("departement_code").is_null())
            .then(pl.lit("inconnu"))
            .otherwise(pl.lit("texte"))
            .alias("geo_precision")
        )
    )
    return pl.concat([reviews, written.select(reviews.collect_schema().names())])


def _besoins(messages: pl.LazyFrame, avis: pl.LazyFrame, read) -> pl.LazyFrame:
    read_in = read("int_messages__analyses")
    needs = read_in.filter(pl.col("axe") == "besoins").select(
        "message_id", pl.col("code").alias("besoin_code")
    )
    tones = read_in.filter(pl.col("axe") == "tonalite").select(
        "message_id", pl.col("code").alias("tonalite")
    )
    answered = avis.select(pl.col("avis_id").alias("message_id"), "is_repondu")
    keys = ["besoin_code", "departement_code", "grain", "debut_le", "famille"]
    weekly = (
        messages.filter(pl.col("is_perimetre_gendarmerie") & (pl.col("source") != "jedonnemonavis"))
        .select(
            "message_id",
            "famille",
            "departement_code",
            "origine",
            pl.lit("semaine").alias("grain"),
            pl.col("jour").dt.truncate("1w").alias("debut_le"),
        )
        .join(tones, on="message_id", how="left")
        .join(answered, on="message_id", how="left")
        .join(needs, on="message_id")
        .group_by(keys)
        .agg(
            pl.len().cast(pl.Int64).alias("messages_count"),
            *(
                (pl.col("tonalite") == tone).sum().cast(pl.Int64).alias(f"{tone}s_count")
                for tone in TONES
            ),
            pl.col("is_repondu").count().cast(pl.Int64).alias("repondables_count"),
            (~pl.col("is_repondu")).sum().cast(pl.Int64).alias("sans_reponse_count"),
            pl.lit(False).alias("is_masque"),
            pl.col("origine").min(),
        )
    )

    def lowered(table: pl.LazyFrame) -> pl.LazyFrame:
        return table.with_columns(
            pl.col("motif_parent").str.to_lowercase().alias("parent"),
            pl.col("motif").str.to_lowercase().alias("raison"),
        )

    reasons = lowered(read("map_ma_gendarmerie__besoins")).select("parent", "raison", "besoin_code")
    contacts = (
        lowered(read("int_contacts__publies"))
        .join(reasons, on=["parent", "raison"], how="left")
        .select(
            "besoin_code",
            pl.lit(None, pl.String).alias("departement_code"),
            pl.col("mois").alias("debut_le"),
            pl.lit("contacts").alias("famille"),
            pl.col("contacts_count").alias("messages_count"),
            "is_masque",
            "origine",
        )
    )
    released = read("int_signalements__releves_publies")
    reports = (
        pl.concat(
            [
                read("int_signalements__publies").select(
                    "source",
                    "menace",
                    "mois",
                    "departement_code",
                    "signalements_count",
                    "is_masque",
                    "origine",
                ),
                released.filter(pl.col("grain") == "mois")
                .join(released.filter(pl.col("grain") == "jour"), on="service", how="anti")
                .select(
                    "source",
                    "menace",
                    pl.col("debut_le").alias("mois"),
                    "departement_code",
                    "signalements_count",
                    "is_masque",
                    "origine",
                ),
            ]
        )
        .join(read("map_menaces__besoins"), on=["source", "menace"], how="left")
        .select(
            "besoin_code",
            "departement_code",
            pl.col("mois").alias("debut_le"),
            pl.lit("signalements").alias("famille"),
            pl.col("signalements_count").alias("messages_count"),
            "is_masque",
            "origine",
        )
    )
    monthly = (
        pl.concat([contacts, reports])
        .with_columns(pl.col("besoin_code").fill_null("indetermine"), pl.lit("mois").alias("grain"))
        .group_by(keys)
        .agg(
            _sum("messages_count"),
            *(pl.lit(None, pl.Int64).alias(f"{tone}s_count") for tone in TONES),
            pl.lit(0, pl.Int64).alias("repondables_count"),
            pl.lit(0, pl.Int64).alias("sans_reponse_count"),
            pl.col("is_masque").any(),
            pl.col("origine").min(),
        )
    )
    return pl.concat([weekly, monthly])


def _contacts(read) -> pl.LazyFrame:
    pair = [
        pl.col("motif_parent").str.to_lowercase().alias("parent"),
        pl.col("motif").str.to_lowercase().alias("raison"),
    ]
    categories = read("map_ma_gendarmerie__categories").select(*pair, "categorie")
    month = datetime.now(ZoneInfo("Europe/Paris")).date().replace(day=1)
    return (
        read("ma_gendarmerie__contacts")
        .with_columns(*pair)
        .join(categories, on=["parent", "raison"], how="left")
        .select(
            pl.lit("ma_gendarmerie").alias("source"),
            pl.col("categorie").fill_null("non_classe"),
            "motif_parent",
            "motif",
            _jour("date").alias("jour"),
            _mois(_jour("date")).alias("mois"),
            pl.col("_origine").alias("origine"),
        )
        .filter(pl.col("mois") < month)
    )


def _jour(instant: str | pl.Expr) -> pl.Expr:
    instant = pl.col(instant) if isinstance(instant, str) else instant
    return instant.dt.convert_time_zone("Europe/Paris").dt.date()


def _mois(jour: str | pl.Expr) -> pl.Expr:
    return (pl.col(jour) if isinstance(jour, str) else jour).dt.truncate("1mo")


def _polarity(mark: str | pl.Expr) -> pl.Expr:
    mark = pl.col(mark) if isinstance(mark, str) else mark
    return mark.replace_strict(POLARITY, default=None, return_dtype=pl.String).alias("ressenti")


def _sum(column: str) -> pl.Expr:
    """Add up as SQL does: the sum of nothing is not known."""
    return pl.when(pl.col(column).count() > 0).then(pl.col(column).sum()).alias(column)
