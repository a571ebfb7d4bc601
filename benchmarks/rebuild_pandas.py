"""What somebody would write by hand in pandas, to make the tables of rebuild.OUTPUTS.

Each table is a Parquet file; of a file, only the columns that are used are read.
"""

from pathlib import Path

import pandas as pd

POLARITY = {
    **dict.fromkeys(["Positif", "Très bien", "5", "4"], "positif"),
    **dict.fromkeys(["Neutre", "Moyen", "3"], "neutre"),
    **dict.fromkeys(["Négatif", "Pas bien", "2", "1"], "negatif"),
}
# What each network calls vues, reponses, partages, appreciations and citations.
NETWORKS = {
    "x": ("tweets", "id", "created_at", "sujet", "text",
          ("impression_count", "reply_count", "repost_count", "like_count", "quote_count")),
    "mastodon": ("statuses", "uri", "created_at", "sujet", "text",
                 (None, "replies_count", "reblogs_count", "favourites_count", "quotes_count")),
    "bluesky": ("posts", "uri", "indexed_at", "sujet", "text",
                (None, "reply_count", "repost_count", "like_count", "quote_count")),
    "youtube": ("videos", "id", "published_at", None, "title",
                ("view_count", "comment_count", None, "like_count", None)),
    "facebook": ("posts", "id", "created_at", None, "message",
                 (None, "comments_count", "shares_count", "reactions_count", None)),
}  # fmt: skip
MEASURES = ("vues", "reponses", "partages", "appreciations", "citations")


def make(inputs: Path, outputs: Path) -> None:
    def read(table: str, columns: list[str] | None = None) -> pd.DataFrame:
        return pd.read_parquet(inputs / f"{table}.parquet", columns=columns)

    def write(name: str, table: pd.DataFrame) -> None:
        table.to_parquet(outputs / f"{name}.parquet", index=False)

    avis, posts = _avis(read), _publications(read)
    messages = _messages(avis, posts, read)
    write("int_messages__unioned", messages)
    write("fct_besoins", _besoins(messages, avis, read))
    del messages

    posts["mois"] = _mois(posts["jour"])
    keys = ["plateforme", "sujet", "mois", "origine"]
    counted = posts.groupby(keys, dropna=False, observed=True)
    publications = counted[list(MEASURES)].sum(min_count=1).add_suffix("_count")
    publications.insert(0, "publications_count", counted.size())
    write("fct_publications", publications.reset_index())
    volumes = _volumes(posts, read)
    write("fct_volumes_sociaux", volumes)
    del posts
    volumes["jour"] = _jour(volumes["heure_at"])
    keys = ["plateforme", "sujet", "jour", "origine"]
    write(
        "fct_volumes_sociaux__quotidiens",
        volumes.groupby(keys, as_index=False)["messages_count"].sum(),
    )

    avis = avis[avis["source"] != "jedonnemonavis"].drop(columns=["titre", "texte", "avis_id"])
    avis["mois"] = _mois(avis["jour"])
    for tone in ("positif", "neutre", "negatif"):
        avis[f"{tone}s_count"] = (avis["ressenti"] == tone).astype("int64")
    avis["repondus_count"] = avis["is_repondu"].eq(True).astype("int64")
    scope = "is_perimetre_gendarmerie"
    keys = ["source", "mois", scope, "delai_reponse_jours", "origine"]
    delays = avis[avis["delai_reponse_jours"].notna()].groupby(keys, dropna=False).size()
    write("fct_avis__delais", delays.rename("avis_count").reset_index())
    tones = [f"{tone}s_count" for tone in ("positif", "neutre", "negatif")] + ["repondus_count"]
    for name, keys in {
        "fct_avis__mensuels": ["source", "mois", "departement_code", scope, "origine"],
        "fct_avis__quotidiens": ["source", "jour", scope, "origine"],
        "fct_avis__services": ["source", "mois", "service_label", scope, "origine"],
        "fct_avis__structures": [
            "source",
            "mois",
            "structure_id",
            "structure_label",
            scope,
            "origine",
        ],
    }.items():
        counted = avis.groupby(keys, dropna=False)
        table = counted[tones].sum()
        table.insert(0, "avis_count", counted.size())
        if name == "fct_avis__mensuels":
            table["delais_count"] = counted["delai_reponse_jours"].count()
            table["delais_jours"] = counted["delai_reponse_jours"].sum(min_count=1)
        write(name, table.reset_index())

    contacts = _contacts(read)
    keys = ["source", "mois", "jour", "origine"]
    write(
        "int_contacts__quotidiens",
        contacts.groupby(keys, dropna=False).size().rename("contacts_count").reset_index(),
    )
    keys = ["source", "mois", "categorie", "motif_parent", "motif", "origine"]
    write(
        "int_contacts__mensuels",
        contacts.groupby(keys, dropna=False).size().rename("contacts_count").reset_index(),
    )


def _avis(read) -> pd.DataFrame:
    jdma = read(
        "jedonnemonavis__avis",
        ["avis_id", "cree_le", "cree_at", "demarche", "satisfaction", "verbatim", "_origine"],
    )
    titles = read("jedonnemonavis__services", ["title"])["title"]
    codes = titles.str.replace("[^A-Za-z0-9-]+", "_", regex=True)
    titles = titles.groupby(codes).min()
    created = pd.to_datetime(jdma["cree_le"])
    published = jdma["cree_at"].fillna(created.dt.tz_localize("UTC"))
    jdma = pd.DataFrame(
        {
            "avis_id": "jedonnemonavis:" + jdma["avis_id"] + "/" + created.dt.strftime("%Y-%m-%d"),
            "source": "jedonnemonavis",
            "publie_at": published,
            "jour": _jour(published),
            "texte": jdma["verbatim"],
            "service_label": jdma["demarche"]
            .map(titles)
            .fillna(jdma["demarche"].str.replace("_", " ")),
            "ressenti": jdma["satisfaction"].map(POLARITY),
            "is_perimetre_gendarmerie": True,
            "origine": jdma["_origine"],
        }
    )

    google = read(
        "avis_google__reviews",
        [
            "id",
            "business_id",
            "date",
            "delete_date",
            "rating",
            "content",
            "state",
            "reply_date",
            "_origine",
        ],
    )
    google = google[(google["state"].fillna("") != "deleted") & google["delete_date"].isna()]
    names = read("avis_google__businesses", ["id", "name"]).set_index("id")["name"]
    day = _jour(google["date"])
    google = pd.DataFrame(
        {
            "avis_id": "avis_google:" + google["id"],
            "source": "avis_google",
            "publie_at": google["date"],
            "jour": day,
            "texte": google["content"],
            "structure_label": google["business_id"].map(names),
            "ressenti": google["rating"].astype("Int64").astype("str").map(POLARITY),
            "is_perimetre_gendarmerie": True,
            "is_repondu": google["reply_date"].notna(),
            "delai_reponse_jours": (_jour(google["reply_date"]) - day).dt.days,
            "origine": google["_origine"],
        }
    )

    ranks = (1, 2, 3)
    told = [
        f"{name}_{rank}"
        for name in ("typologie", "structure", "reponse_structure")
        for rank in ranks
    ] + [f"structure_{rank}_id" for rank in ranks]
    plus = read(
        "services_publics_plus__experiences",
        [
            "experience_id",
            "publie_at",
            "titre",
            "description",
            "ressenti",
            "statut",
            "premiere_reponse_at",
            "_origine",
            *told,
        ],
    )
    scope = read("ref_perimetre_gendarmerie")
    structures = read("int_structures__localisees", ["structure_id", "is_gendarmerie"])
    ours = set(structures.loc[structures["is_gendarmerie"], "structure_id"])
    kinds = set(scope.loc[scope["objet"] == "typologie", "libelle"].str.lower())
    labels = set(scope.loc[scope["objet"] == "structure", "libelle"].str.lower())
    concerned = pd.Series(False, index=plus.index)
    answered = (plus["statut"] == "Expérience avec réponse") | plus["premiere_reponse_at"].notna()
    for rank in ranks:
        concerned |= plus[f"typologie_{rank}"].str.lower().isin(kinds)
        concerned |= plus[f"structure_{rank}"].str.lower().isin(labels)
        concerned |= plus[f"structure_{rank}_id"].isin(ours)
        answered |= plus[f"reponse_structure_{rank}"].notna()
    day = _jour(plus["publie_at"])
    plus = pd.DataFrame(
        {
            "avis_id": "services_publics_plus:" + plus["experience_id"].astype("str"),
            "source": "services_publics_plus",
            "publie_at": plus["publie_at"],
            "jour": day,
            "titre": plus["titre"],
            "texte": plus["description"],
            "service_label": plus["typologie_1"]
            .fillna(plus["typologie_2"])
            .fillna(plus["typologie_3"]),
            "structure_id": plus["structure_1_id"],
            "structure_label": plus["structure_1"],
            "ressenti": plus["ressenti"].map(POLARITY),
            "is_perimetre_gendarmerie": concerned,
            "is_repondu": answered,
            "delai_reponse_jours": (_jour(plus["premiere_reponse_at"]) - day).dt.days,
            "origine": plus["_origine"],
        }
    )

    avis = pd.concat([jdma, google, plus], ignore_index=True)
    del jdma, google, plus
    places = read("int_avis__localises")
    avis = avis.merge(places, on="avis_id", how="left")
    avis["geo_precision"] = avis["geo_precision"].fillna("inconnu")
    return avis


def _publications(read) -> pd.DataFrame:
    found = []
    for network, (table, key, at, subject, text, measures) in NETWORKS.items():
        kept = [name for name in (key, at, subject, text, *measures, "_origine") if name]
        rows = read(f"{network}__{table}", kept)
        columns = {
            "plateforme": network,
            "publication_id": rows[key],
            "publie_at": rows[at],
            "sujet": rows[subject] if subject else pd.Series(None, index=rows.index, dtype="str"),
            "texte": rows[text],
            "origine": rows["_origine"],
        }
        for measure, name in zip(MEASURES, measures, strict=True):
            columns[measure] = (rows[name] if name else pd.Series(pd.NA, index=rows.index)).astype(
                "Int64"
            )
        found.append(pd.DataFrame(columns))
    posts = pd.concat(found, ignore_index=True)
    posts["jour"] = _jour(posts["publie_at"])
    return posts


def _messages(avis: pd.DataFrame, posts: pd.DataFrame, read) -> pd.DataFrame:
    said = avis[avis["titre"].notna() | avis["texte"].notna()]
    shared = [
        "source",
        "jour",
        "departement_code",
        "geo_precision",
        "ressenti",
        "origine",
        "is_perimetre_gendarmerie",
    ]
    reviews = said[shared].assign(
        message_id=said["avis_id"],
        famille="avis",
        texte=(said["titre"] + ". ").fillna("") + said["texte"].fillna(""),
        ecrit_at=said["publie_at"],
    )
    posts = posts[posts["sujet"].notna() & posts["texte"].notna()]
    first = posts.groupby(["plateforme", "publication_id"])["sujet"].transform("min")
    posts = posts[posts["sujet"] == first]
    methods = read("ref_methodes")
    [least] = methods.loc[
        (methods["methode_id"] == "lieux") & (methods["parametre"] == "confiance_min"), "valeur"
    ]
    places = read("int_lieux__cites", ["message_id", "departement_code", "confiance"])
    places = places[places["confiance"] >= least].set_index("message_id")["departement_code"]
    ids = posts["plateforme"] + ":" + posts["publication_id"]
    place = ids.map(places)
    written = pd.DataFrame(
        {
            "message_id": ids,
            "famille": "reseaux",
            "source": posts["plateforme"],
            "texte": posts["texte"],
            "ecrit_at": posts["publie_at"],
            "jour": posts["jour"],
            "departement_code": place,
            "geo_precision": place.notna().map({True: "texte", False: "inconnu"}),
            "is_perimetre_gendarmerie": True,
            "origine": posts["origine"],
        }
    )
    return pd.concat([reviews, written], ignore_index=True)


def _besoins(messages: pd.DataFrame, avis: pd.DataFrame, read) -> pd.DataFrame:
    kept = messages[messages["is_perimetre_gendarmerie"] & (messages["source"] != "jedonnemonavis")]
    kept = kept[["message_id", "famille", "jour", "departement_code", "origine"]]
    read_in = read("int_messages__analyses", ["message_id", "axe", "code"])
    needs = read_in.loc[read_in["axe"] == "besoins", ["message_id", "code"]]
    tones = read_in[read_in["axe"] == "tonalite"].set_index("message_id")["code"]
    kept = kept.assign(tonalite=kept["message_id"].map(tones))
    answered = avis.set_index("avis_id")["is_repondu"]
    kept = kept.assign(is_repondu=kept["message_id"].map(answered).astype("boolean"))
    del read_in, tones, answered
    kept = kept.merge(needs.rename(columns={"code": "besoin_code"}), on="message_id")
    kept["debut_le"] = kept["jour"].dt.to_period("W").dt.start_time
    kept["grain"] = "semaine"
    kept["messages_count"] = 1
    for tone in ("positif", "neutre", "negatif"):
        kept[f"{tone}s_count"] = (kept["tonalite"] == tone).astype("Int64")
    kept["repondables_count"] = kept["is_repondu"].notna().astype("int64")
    kept["sans_reponse_count"] = kept["is_repondu"].eq(False).fillna(False).astype("int64")
    kept["is_masque"] = False
    keys = ["besoin_code", "departement_code", "grain", "debut_le", "famille"]
    counts = [name for name in kept if name.endswith("_count")]
    weekly = _summed(kept, keys, counts)

    reasons = read("map_ma_gendarmerie__besoins")
    contacts = read("int_contacts__publies")
    for table in (contacts, reasons):
        table["parent"] = table["motif_parent"].str.lower()
        table["raison"] = table["motif"].str.lower()
    contacts = contacts.merge(
        reasons[["parent", "raison", "besoin_code"]], how="left", on=["parent", "raison"]
    )
    contacts = contacts.assign(
        famille="contacts", departement_code=None, messages_count=contacts["contacts_count"]
    )
    released = read("int_signalements__releves_publies")
    daily = set(released.loc[released["grain"] == "jour", "service"])
    released = released[(released["grain"] == "mois") & ~released["service"].isin(daily)]
    reports = pd.concat(
        [read("int_signalements__publies"), released.rename(columns={"debut_le": "mois"})]
    )
    reports = reports.merge(
        read("map_menaces__besoins")[["source", "menace", "besoin_code"]],
        how="left",
        on=["source", "menace"],
    )
    reports = reports.assign(famille="signalements", messages_count=reports["signalements_count"])
    monthly = pd.concat([contacts, reports], ignore_index=True)
    monthly = monthly.assign(
        besoin_code=monthly["besoin_code"].fillna("indetermine"),
        grain="mois",
        debut_le=pd.to_datetime(monthly["mois"]),
        repondables_count=0,
        sans_reponse_count=0,
        messages_count=monthly["messages_count"].astype("Int64"),
        **{
            f"{tone}s_count": pd.array([pd.NA] * len(monthly), "Int64")
            for tone in ("positif", "neutre", "negatif")
        },
    )
    return pd.concat([weekly, _summed(monthly, keys, counts)], ignore_index=True)


def _summed(rows: pd.DataFrame, keys: list[str], counts: list[str]) -> pd.DataFrame:
    grouped = rows.groupby(keys, dropna=False)
    table = grouped[counts].sum(min_count=1)
    table["is_masque"] = grouped["is_masque"].max()
    table["origine"] = grouped["origine"].min()
    return table.reset_index()


def _volumes(posts: pd.DataFrame, read) -> pd.DataFrame:
    counted = read("x__tweet_counts", ["sujet", "start_at", "post_count", "_origine"])
    counted = counted.rename(
        columns={"start_at": "heure_at", "post_count": "messages_count", "_origine": "origine"}
    )
    read_ones = posts[posts["plateforme"].isin(["mastodon", "bluesky"])]
    read_ones = read_ones.assign(heure_at=read_ones["publie_at"].dt.floor("h"))
    keys = ["plateforme", "sujet", "heure_at", "origine"]
    hourly = read_ones.groupby(keys, dropna=False).size().rename("messages_count").reset_index()
    return pd.concat([counted.assign(plateforme="x"), hourly], ignore_index=True)


def _contacts(read) -> pd.DataFrame:
    contacts = read("ma_gendarmerie__contacts", ["date", "motif_parent", "motif", "_origine"])
    categories = read("map_ma_gendarmerie__categories")
    for table in (contacts, categories):
        table["parent"] = table["motif_parent"].str.lower()
        table["raison"] = table["motif"].str.lower()
    contacts = contacts.merge(
        categories[["parent", "raison", "categorie"]], how="left", on=["parent", "raison"]
    )
    contacts["categorie"] = contacts["categorie"].fillna("non_classe")
    contacts["source"] = "ma_gendarmerie"
    contacts["jour"] = _jour(contacts["date"])
    contacts["mois"] = _mois(contacts["jour"])
    today = pd.Timestamp.now("Europe/Paris").tz_localize(None)
    contacts = contacts[contacts["mois"] < today.normalize().replace(day=1)]
    return contacts.rename(columns={"_origine": "origine"})


def _jour(instant: pd.Series) -> pd.Series:
    return instant.dt.tz_convert("Europe/Paris").dt.tz_localize(None).dt.normalize()


def _mois(jour: pd.Series) -> pd.Series:
    return jour.dt.to_period("M").dt.start_time
