"""The outside world as it is played: repeatable, true to each contract, one coherent story."""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest
import requests
from stdnum import iban, luhn
from stdnum.fr import nir

from dlt_pipelines import stores
from dlt_pipelines.sandbox import (
    SUBJECTS,
    TOKEN,
    SandboxError,
    World,
    accounts,
    drop,
    ledger,
    serve,
    social,
    story,
    tables,
    world,
)

YEAR = world(end=date(2026, 3, 15), months=12)
DATASET = "services_publics_plus/api/explore/v2.1/catalog/datasets/export-experiences"

Get = Callable[..., requests.Response]


@pytest.fixture(scope="module")
def get() -> Iterator[Get]:
    with serve(YEAR) as base, requests.Session() as session:

        def ask(path: str, at: str = "", token: str = TOKEN, **params: Any) -> requests.Response:
            where = f"{base}/at/{at}/{path}" if at else f"{base}/{path}"
            named = {name.replace("__", "."): value for name, value in params.items()}
            headers = {"Authorization": f"Bearer {token}"}
            return session.get(where, params=named, headers=headers, timeout=30)

        yield ask


# --- the world ------------------------------------------------------------------------------------


def test_default_world_is_24_months_that_end_yesterday() -> None:
    ours = world()
    assert ours.end == datetime.now(story.PARIS).date()
    assert ours.start.day == 1
    assert (ours.end.year - ours.start.year) * 12 + ours.end.month - ours.start.month == 24


@pytest.mark.parametrize("source", ["perceval", "ssmsi", "structures"])
def test_same_seed_gives_same_bytes(source: str, tmp_path: Path) -> None:
    [first] = drop(YEAR, source, tmp_path / "first")
    [second] = drop(YEAR, source, tmp_path / "second")
    assert first.read_bytes() == second.read_bytes()
    if source != "structures":
        other = World(YEAR.start, YEAR.end, seed=YEAR.seed + 1)
        assert drop(other, source, tmp_path / "third")[0].read_bytes() != first.read_bytes()


def test_content_of_a_day_does_not_depend_on_the_window() -> None:
    within = World(date(2025, 10, 7), date(2025, 11, 20), seed=YEAR.seed)
    window = "where day >= '2025-10-07' and day < '2025-11-20'"
    rows = {}
    for ours in (YEAR, within):
        with tables.connect(ours, "experiences", "perceval") as db:
            rows[ours] = (
                db.sql(
                    "select * from (select *, date '2015-01-01' + "
                    "(id_experience // 100000)::integer as day from experiences) "
                    f"{window} order by id_experience"
                ).fetchall(),
                db.sql(f"select * from reports {window} order by all").fetchall(),
            )
    assert len(rows[within][0]) > 500
    assert rows[YEAR] == rows[within]
    assert {event for event in ledger(YEAR) if event in ledger(within)} == set(ledger(within))


def test_size_multiplies_volumes() -> None:
    counts = []
    for size in (1.0, 4.0):
        ours = World(date(2025, 9, 1), date(2025, 10, 1), size=size)
        with tables.connect(ours, "experiences", "perceval") as db:
            counts.append(
                [db.table(name).count("*").fetchall()[0][0] for name in ("experiences", "reports")]
            )
    assert [big / small for small, big in zip(*counts, strict=True)] == pytest.approx([4, 4], 0.1)


def test_bank_holidays_follow_easter() -> None:
    assert {date(2025, 4, 21), date(2025, 5, 29), date(2025, 6, 9)} <= story.holidays(2025)
    assert {date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25)} <= story.holidays(2026)
    assert len(story.holidays(2026)) == 11


def test_missing_geography_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(stores, "cog_package", lambda: tmp_path)
    story.departements.cache_clear()
    try:
        with pytest.raises(SandboxError, match=r"code officiel géographique manque.*Remède"):
            story.departements()
    finally:
        story.departements.cache_clear()


def test_impossible_worlds_are_refused() -> None:
    with pytest.raises(SandboxError, match="avant de commencer"):
        World(date(2026, 1, 2), date(2026, 1, 2))
    with pytest.raises(SandboxError, match="taille"):
        World(date(2026, 1, 1), date(2026, 1, 2), size=0)
    with pytest.raises(SandboxError, match="aucun fichier"):
        drop(YEAR, "x", Path())


# --- files ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def perceval(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    [path] = drop(YEAR, "perceval", tmp_path_factory.mktemp("perceval"))
    content: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_perceval_totals_agree_across_grains(perceval: dict[str, dict[str, Any]]) -> None:
    by_month: dict[str, int] = defaultdict(int)
    for day, count in perceval["nb_report_day"].items():
        by_month[day[:7]] += count
    assert len(by_month) == 13
    for grain in ("dpt_report_month", "age_categories_month"):
        assert {m: sum(cells.values()) for m, cells in perceval[grain].items()} == by_month
    assert {len(cells) for cells in perceval["dpt_report_month"].values()} == {101}
    ages = {"00", "15-24", "25-34", "35-44", "45-54", "55-64", "65-74", "75+"}
    assert all(set(cells) == ages for cells in perceval["age_categories_month"].values())
    assert perceval["amount_of_money_day"].keys() == perceval["nb_report_day"].keys()


def test_perceval_has_the_level_and_the_rhythm_of_the_real_one(
    perceval: dict[str, dict[str, Any]],
) -> None:
    counts = perceval["nb_report_day"]
    week = defaultdict(list)
    for day, count in counts.items():
        week[date.fromisoformat(day).weekday()].append(count)
    assert 230 < median(counts.values()) < 320
    assert 450 < sum(perceval["amount_of_money_day"].values()) / sum(counts.values()) < 510
    assert min(mean(week[0]), mean(week[1])) > max(mean(week[day]) for day in range(2, 7))


def read_csv(path: Path) -> tuple[bytes, list[dict[str, str]]]:
    raw = path.read_bytes()
    return raw, list(csv.DictReader(raw.decode("utf-8-sig").splitlines(), delimiter=";"))


def test_ssmsi_file_reads_like_the_official_one(tmp_path: Path) -> None:
    raw, rows = read_csv(drop(YEAR, "ssmsi", tmp_path)[0])
    assert raw.startswith(b"\xef\xbb\xbfCode_departement;Code_region;annee;indicateur;")
    assert len(rows) == 101 * 9 * 18
    assert {row["annee"] for row in rows} == {str(year) for year in range(2016, 2025)}
    assert {"01", "2A", "976"} < {row["Code_departement"] for row in rows}
    units = {row["indicateur"]: row["unite_de_compte"] for row in rows}
    assert len(units) == 18
    assert units["Vols de véhicule"] == "Véhicule"
    facts = {
        (row["indicateur"], row["annee"], row["Code_departement"]): int(row["nombre"])
        for row in rows
    }
    use = "Usage de stupéfiants"
    for (indicator, year, code), count in facts.items():
        if indicator == use:
            parts = (facts[f"{use} ({part})", year, code] for part in ("AFD", "hors AFD"))
            assert count == sum(parts)
    for row in rows:
        assert "." not in row["taux_pour_mille"]
        base = "insee_log" if row["indicateur"] == "Cambriolages de logement" else "insee_pop"
        rate = float(row["taux_pour_mille"].replace(",", "."))
        assert rate == pytest.approx(int(row["nombre"]) / int(row[base]) * 1000, abs=1e-6)


def test_structures_are_marked_and_placed(tmp_path: Path) -> None:
    raw, rows = read_csv(drop(YEAR, "structures", tmp_path)[0])
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\r\n") == raw.count(b"\n") == len(rows) + 1
    assert 280 < len(rows) < 340
    assert {len(row) for row in rows} == {25}
    assert len({row["Code SP+ de la structure"] for row in rows}) == len(rows)
    assert all(row["Intitulé de la structure"].endswith("(démonstration)") for row in rows)
    local = "Groupement de gendarmerie départementale"
    groups = {row["INSEE Département"] for row in rows if row["Intitulé de la typologie"] == local}
    assert groups == {f"dep{place.code}" for place in story.departements()}


# --- Services Publics+ ----------------------------------------------------------------------------


def test_dataset_says_its_fields_under_both_slugs(get: Get) -> None:
    fields = [
        {field["name"]: field["type"] for field in get(path).json()["fields"]}
        for path in (DATASET, DATASET.replace("experiences", "expa-c-riences"))
    ]
    assert fields[0] == fields[1]
    assert fields[0]["id_experience"] == "int"
    assert fields[0]["date_de_publication"] == "datetime"
    assert {"simplicite_complexite", "date_de_premiere_reponse", "canaux_typologie_3"} < set(
        fields[0]
    )
    [row] = get(f"{DATASET}/records", limit=1).json()["results"]
    assert list(row) == list(fields[0])
    unknown = get(DATASET.replace("export-experiences", "export-rien"))
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "DatasetNotFoundError")


def test_export_is_a_plain_array_with_every_row(get: Get) -> None:
    rows = get(f"{DATASET}/exports/json").json()
    assert len(rows) == get(f"{DATASET}/records", limit=0).json()["total_count"] > 6000
    assert len({row["id_experience"] for row in rows}) == len(rows)
    tones = {row["ressenti_usager"] for row in rows}
    assert tones == {"Positif", "Neutre", "Négatif"}
    placed = mean(row["code_insee_departement_usager"] is not None for row in rows)
    assert 0.4 < placed < 0.6
    codes = {row["code_insee_departement_usager"] for row in rows} - {None}
    assert codes <= {place.code for place in story.departements()}
    assert len({row["description"] for row in rows}) > 0.95 * len(rows)
    assert not any(row["description"].lower().startswith("demo") for row in rows)
    assert all(row["intitule_structure_1"].endswith("(démonstration)") for row in rows)
    assert all(row["ecrit_le"] <= row["date_de_publication"] for row in rows)


def test_where_and_order_by_are_honoured(get: Get) -> None:
    page = get(
        f"{DATASET}/records",
        where="date_de_publication > date'2026-03-10' and ressenti_usager = \"Négatif\"",
        order_by="date_de_publication desc",
        select="id_experience, date_de_publication, ressenti_usager",
        limit=100,
    ).json()
    days = [row["date_de_publication"] for row in page["results"]]
    assert page["total_count"] == len(days) > 20
    assert days == sorted(days, reverse=True)
    assert min(days) >= "2026-03-10"
    assert {row["ressenti_usager"] for row in page["results"]} == {"Négatif"}
    narrow = get(
        f"{DATASET}/exports/json",
        where="date_de_publication >= date'2026-03-10T08:00:00Z'"
        " and date_de_publication < date'2026-03-10T16:00:00+00:00'"
        " and intitule_typologie_1 in ('PHAROS', 'Brigade de gendarmerie')",
    ).json()
    assert narrow
    assert all("2026-03-10T08" <= row["date_de_publication"] < "2026-03-10T16" for row in narrow)


def test_pages_partition_the_rows(get: Get) -> None:
    asked = {"where": "date_de_publication > date'2026-03-01'", "order_by": "id_experience"}
    whole = get(f"{DATASET}/exports/json", **asked).json()
    pages = [
        row
        for offset in range(0, len(whole), 100)
        for row in get(f"{DATASET}/records", limit=100, offset=offset, **asked).json()["results"]
    ]
    assert len(whole) > 200
    assert pages == whole
    empty = get(f"{DATASET}/records", where="date_de_publication > date'2030-01-01'").json()
    assert empty == {"total_count": 0, "results": []}


@pytest.mark.parametrize(
    ("params", "code", "message"),
    [
        ({"limit": 101}, "InvalidRESTParameterError", "101 was found but -1 <= limit <= 100"),
        ({"limit": 100, "offset": 9901}, "InvalidRESTParameterError", "offset"),
        ({"limit": "dix"}, "InvalidRESTParameterError", "dix was found"),
        ({"where": "date_de_publication >"}, "ODSQLError", "malformed"),
        ({"where": "inconnu = 3"}, "ODSQLError", "inconnu"),
    ],
)
def test_portal_refuses_as_the_real_one(
    get: Get, params: dict[str, Any], code: str, message: str
) -> None:
    refused = get(f"{DATASET}/records", **params)
    assert refused.status_code == 400
    assert refused.json()["error_code"] == code
    assert message in refused.json()["message"]


def test_an_earlier_clock_hides_later_rows_and_later_answers(get: Get) -> None:
    asked = {"where": "date_de_publication >= date'2025-10-01'", "order_by": "id_experience"}
    then = get(f"{DATASET}/exports/json", at="2025-11-01T00:00:00Z", **asked).json()
    now = {row["id_experience"]: row for row in get(f"{DATASET}/exports/json", **asked).json()}
    assert max(row["date_de_publication"] for row in then) < "2025-11-01"
    assert all((row["date_de_premiere_reponse"] or "") < "2025-11-01" for row in then)
    assert all(
        (row["etat_experience"] == "Traitées") == (row["reponse_structure_1"] is not None)
        for row in then
    )
    changed = [row for row in then if row != now[row["id_experience"]]]
    assert 0.2 * len(then) < len(changed) < 0.6 * len(then)
    for row in changed:
        answer = now[row["id_experience"]]["date_de_premiere_reponse"]
        published = row["date_de_publication"]
        delay = datetime.fromisoformat(answer) - datetime.fromisoformat(published)
        assert timedelta(0) < delay < timedelta(days=90)


def test_some_texts_give_away_numbers_that_nobody_owns(get: Get) -> None:
    texts = [row["description"] for row in get(f"{DATASET}/exports/json").json()]
    found = {
        name: [match for text in texts for match in re.findall(pattern, text)]
        for name, pattern in {
            "mail": r"[\w.]+@example\.org",
            "phone": r"(?:joindre au|appelez le) ([+\d ]+)\.",
            "iban": r"FR\d\d(?: ?\d{4}){5} ?\d{3}",
            "nir": r"(?<!\d)[12] ?\d\d ?31 ?\d\d ?\d{3} ?\d{3} ?\d\d(?!\d)",
            "plate": r"SS-\d{3}-[A-Z]{2}",
            "card": r"(?<!\d)411111\d{10}(?!\d)",
        }.items()
    }
    assert all(len(matches) > 10 for matches in found.values()), found
    assert all(iban.is_valid(number) for number in found["iban"])
    assert all(nir.is_valid(number) for number in found["nir"])
    assert all(luhn.is_valid(number) for number in found["card"])
    fiction = {prefix.replace(" ", "")[1:] for prefix in tables.FICTION_PHONES}
    digits = [re.sub(r"\D", "", number)[-9:] for number in found["phone"]]
    assert {number[:5] for number in digits} <= fiction


# --- X --------------------------------------------------------------------------------------------

COUNTS = "x/2/tweets/counts/recent"
ARNAQUE = SUBJECTS[0].query


@pytest.mark.parametrize("path", ["x/2/users", "x/2/users/by", COUNTS])
def test_x_asks_for_its_token(get: Get, path: str) -> None:
    refused = get(path, token="autre")
    assert refused.status_code == 401
    assert refused.json()["title"] == "Unauthorized"


def pages_of(get: Get, at: str, **params: Any) -> list[dict[str, Any]]:
    pages = [get(COUNTS, at=at, **params).json()]
    while token := pages[-1]["meta"].get("next_token"):
        pages.append(get(COUNTS, at=at, next_token=token, **params).json())
    return pages


def volume(row: dict[str, Any]) -> int:
    return int(row["tweet_count"] if "tweet_count" in row else row["post_count"])


def test_counts_cover_the_seven_days_and_come_in_pages(get: Get) -> None:
    at = "2025-11-05T10:20:00Z"
    pages = pages_of(get, at, query=ARNAQUE)
    assert [len(page["data"]) for page in pages] == [169]
    rows = sorted((row for page in pages for row in page["data"]), key=lambda row: row["start"])
    assert rows[0]["start"] == "2025-10-29T10:20:00.000Z"
    assert rows[-1]["end"] == "2025-11-05T10:19:30.000Z"
    assert all(before["end"] == after["start"] for before, after in pairwise(rows))
    for page in pages:
        totals = [count for name, count in page["meta"].items() if name.startswith("total_")]
        assert totals == [sum(volume(row) for row in page["data"])]
    asked = {"query": ARNAQUE, "start_time": "2025-10-30T00:00:00Z"}
    asked["end_time"] = "2025-11-02T00:00:00Z"
    sums = {
        step: sum(
            volume(row)
            for page in pages_of(get, at, granularity=step, **asked)
            for row in page["data"]
        )
        for step in ("minute", "hour", "day")
    }
    assert len(set(sums.values())) == 1
    assert sums["day"] > 1000
    assert [len(page["data"]) for page in pages_of(get, at, granularity="minute", **asked)] == [
        120,
        *[200] * 21,
    ][::-1]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"start_time": "2025-10-29T10:19:00Z"}, "must be on or after 2025-10-29T10:20Z"),
        ({"end_time": "2025-11-05T10:19:55Z"}, "10 seconds prior"),
        (
            {"start_time": "2025-11-02T00:00:00Z", "end_time": "2025-11-01T00:00:00Z"},
            "before 'end_time'",
        ),
        ({"start_time": "hier"}, "RFC3339"),
        ({"granularity": "week"}, "granularity"),
        ({"query": ""}, "query"),
        ({"next_token": "abc"}, "next_token"),
    ],
)
def test_counts_refuse_as_the_real_one(get: Get, params: dict[str, Any], message: str) -> None:
    refused = get(COUNTS, at="2025-11-05T10:20:00Z", **({"query": ARNAQUE} | params))
    assert refused.status_code == 400
    assert refused.json()["title"] == "Invalid Request"
    assert message in refused.json()["errors"][0]["message"]


def test_both_dialects_occur_and_never_mix(get: Get) -> None:
    seen = set()
    for day in range(1, 15):
        at = f"2025-06-{day:02d}T12:00:00Z"
        answer = get(COUNTS, at=at, query=ARNAQUE, granularity="day").json()
        [user] = get(
            "x/2/users", at=at, ids=accounts()[0].id, user__fields="public_metrics"
        ).json()["data"]
        new = "total_post_count" in answer["meta"]
        assert all(("post_count" in row) == new for row in answer["data"])
        assert ("post_count" in user["public_metrics"]) == new
        assert ("tweet_count" in user["public_metrics"]) != new
        seen.add(new)
    assert seen == {True, False}


def test_users_answer_by_id_and_by_name(get: Get) -> None:
    every = accounts()
    assert len(every) == 102
    assert len({account.id for account in every}) == 102
    assert all(re.fullmatch(r"demo_\w{1,10}", account.username) for account in every)
    ids = ",".join(account.id for account in every[:100])
    rows = get("x/2/users", ids=ids, user__fields="public_metrics").json()["data"]
    assert [row["id"] for row in rows] == [account.id for account in every[:100]]
    by_name = get("x/2/users/by", usernames="demo_gend_2A,personne").json()
    assert by_name["data"][0].keys() == {"id", "name", "username"}
    assert by_name["data"][0]["username"] == "demo_gend_2a"
    assert by_name["errors"][0]["resource_id"] == "personne"
    assert "data" not in get("x/2/users", ids="1").json()
    too_many = get("x/2/users", ids=",".join(account.id for account in every[:101]))
    assert too_many.status_code == 400
    assert get("x/2/users", ids="1", user__fields="age").status_code == 400


def test_followers_move_with_the_clock(get: Get) -> None:
    metrics = [
        get("x/2/users", at=at, ids=accounts()[0].id, user__fields="public_metrics").json()["data"][
            0
        ]["public_metrics"]
        for at in ("2025-04-01T08:00:00Z", "2025-12-01T08:00:00Z")
    ]
    assert metrics[0]["followers_count"] < metrics[1]["followers_count"]


def test_rate_limit_counts_down_to_429(get: Get) -> None:
    at = "2025-07-01T00:00:00Z"
    answers = [get("x/2/users", at=at, ids="1") for _ in range(301)]
    remaining = [int(answer.headers["x-rate-limit-remaining"]) for answer in answers]
    refused = [answer for answer in answers if answer.status_code == 429]
    # A window that turns during the loop starts the count again.
    if remaining == [*range(299, -1, -1), 0]:
        assert len(refused) == 1
        assert refused[0].json()["title"] == "Too Many Requests"
    assert {answer.headers["x-rate-limit-limit"] for answer in answers} == {"300"}
    assert get("x/2/users", at="2025-07-01T00:15:00Z", ids="1").status_code == 200


# --- the planted events ---------------------------------------------------------------------------


def height_days(event: story.PlantedEvent) -> list[date]:
    """Return the days on which an event is felt by two thirds or more."""
    window = story.days(event.start.date(), event.end.date())
    return [day for day in window if event.height(story.noon(day)) > 0.66]


def test_ledger_holds_every_kind_and_stays_out_of_the_answers(get: Get) -> None:
    events = ledger(YEAR)
    assert {event.kind for event in events} == set(story.KINDS)
    assert events == sorted(events, key=lambda event: event.start)
    answer = get(f"{DATASET}/records", limit=100).text
    assert not any(event.key in answer for event in events)


def test_events_raise_what_is_said_on_x() -> None:
    for event in ledger(YEAR):
        weights = story.KINDS[event.kind].x
        for subject in SUBJECTS:
            if event.size * weights.get(subject.name, 0) < 1.5:
                continue
            hours = [
                event.start + timedelta(hours=hour)
                for hour in range(int((event.end - event.start) / timedelta(hours=1)))
                if event.height(event.start + timedelta(hours=hour)) > 0.9
            ]
            during, before = (
                sum(social.posts(YEAR.seed, 1.0, subject.query, at.date())[at.hour] for at in moved)
                for moved in (hours, [hour - timedelta(days=28) for hour in hours])
            )
            assert during > 1.4 * before, event


def test_events_are_felt_in_the_experiences(get: Get) -> None:
    rows = get(f"{DATASET}/exports/json").json()
    by_day: dict[tuple[str, date], list[str]] = defaultdict(list)
    for row in rows:
        day = datetime.fromisoformat(row["date_de_publication"]).astimezone(story.PARIS).date()
        by_day[row["intitule_typologie_1"], day].append(row["ressenti_usager"])
    for event in ledger(YEAR):
        service, outcry, _, negative = story.KINDS[event.kind].outcry
        days = [day for day in height_days(event) if YEAR.start <= day < YEAR.end]
        if outcry < 0.4 or not days:
            continue
        during = [tone for day in days for tone in by_day[service, day]]
        usual = mean(len(by_day[service, day]) for day in story.days(YEAR.start, YEAR.end))
        assert len(during) / len(days) > 1.5 * usual, event
        assert during.count("Négatif") / len(during) > 0.6 * negative, event


def test_fraud_rises_everywhere_and_falls_where_people_were_warned() -> None:
    with tables.connect(YEAR, "perceval") as db:
        rows = db.sql("select day, dpt_code, count(*) from reports group by all").fetchall()
    count: dict[tuple[date, str], int] = {(day, code): number for day, code, number in rows}
    every = {place.code for place in story.departements()}

    def daily(days: list[date], codes: set[str]) -> float:
        return mean(sum(count.get((day, code), 0) for code in codes) for day in days)

    calm = [
        day
        for day in story.days(YEAR.start, YEAR.end)
        if not any(
            event.height(story.noon(day))
            for event in ledger(YEAR)
            if story.KINDS[event.kind].perceval
        )
    ]
    seen = set()
    for event in ledger(YEAR):
        days = height_days(event)
        if not YEAR.start <= days[0] <= days[-1] < YEAR.end:
            continue
        seen.add(event.kind)
        if event.kind == "fraude":
            assert daily(days, every) > 1.35 * daily(calm, every)
        if event.kind == "prevention":
            warned = set(event.departements)
            share = daily(days, warned) / daily(days, every)
            assert share < 0.8 * daily(calm, warned) / daily(calm, every)
    assert {"fraude", "prevention"} <= seen


def test_panic_is_said_where_it_is_and_told_to_us_the_day_after() -> None:
    [panic, *_] = [event for event in ledger(YEAR) if event.kind == "panique"]
    towns = {
        town
        for place in story.departements()
        if place.code in panic.departements
        for town in place.villes
    }
    query = next(subject.query for subject in SUBJECTS if subject.name == panic.subject)

    def said(start: datetime, end: datetime) -> float:
        """Return the posts a day that name a town of the panic."""
        posts = [
            post
            for network in ("mastodon", "bluesky")
            for post in social.between(YEAR.seed, YEAR.size, query, start, end, network)
        ]
        named = sum(any(town in post.text for town in towns) for post in posts)
        return named / ((end - start) / timedelta(days=1))

    usual = said(panic.start - timedelta(days=28), panic.start)
    assert said(panic.start, panic.start + timedelta(days=1)) > 5 * usual
    day = panic.start.astimezone(story.PARIS).date()
    with tables.connect(YEAR, "experiences", "ma_gendarmerie") as db:
        told = db.execute(
            "select date_de_publication::date - ?, count(*) from experiences where ?"
            " .list_contains(code_insee_departement_usager) and date_de_publication::date"
            " between ? and ? group by 1",
            [day, list(panic.departements), day - timedelta(1), day + timedelta(1)],
        ).fetchall()
        asked = db.execute(
            "select count(*) filter (where date like ?), count(*) / count(distinct date[:10])"
            " from contacts where motif = 'Mouvement de foule'",
            [f"{day + timedelta(1):%d/%m/%Y}%"],
        ).fetchone()
    counts = dict(told)
    assert counts[1] > 2 * max(counts.get(0, 0), counts.get(-1, 0))
    assert asked and asked[0] > 4 * asked[1]


def test_flood_gains_followers_near_the_water() -> None:
    flood = next(event for event in ledger(YEAR) if event.kind == "inondation")
    before, after = (
        social.metrics(YEAR.seed, accounts(), flood.start + timedelta(days=days))
        for days in (-1, 8)
    )
    gains: dict[bool, list[float]] = {True: [], False: []}
    for account, old, new in zip(accounts(), before, after, strict=True):
        near = account.departement_code in flood.departements
        gains[near].append(new.followers / old.followers - 1)
    assert min(gains[True]) > 3 * median(gains[False])
    assert flood.start.tzinfo is UTC
