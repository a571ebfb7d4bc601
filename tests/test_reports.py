"""The pages: their laws, their words, their figures, their filters, opened in a real browser."""

import csv
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import FIRST, Visit, World, french, served
from playwright.sync_api import Browser, Page, expect

from dlt_pipelines import stores
from dlt_pipelines.sandbox import needs
from dlt_pipelines.sandbox import world as world_of_sandbox
from dlt_pipelines.sandbox.tables import LAST_NAMES
from orchestration.site import (
    REPORTS,
    SiteError,
    build_site,
    compress,
    page_marts,
)

PAGES = ["", *(f"{page}/" for page in page_marts() if page != "index")]
# Words that Evidence, its charts or its tables would show in English. A quoted message may well
# begin with « Mon père ».
ENGLISH = re.compile(
    r"\b(Search|Loading|Download|Fullscreen|No (Results|Records|data)|records|Select(ed)?|Show|"
    r"Hide|Next|Previous|first-page|last-page|Last refreshed|Home|Close|Open|Settings|Error|"
    r"Dataset|January|February|March|April|June|July|August|September|October|November|December|"
    r"Feb|Apr|Jun|Jul|Aug|Dec|Mon(?! [a-z])|Tue|Wed|Thu|Fri|Sat|Sun|This is a chart|"
    r"undefined|null|NaN)\b"
)


# --- laws


def test_a_source_is_one_line_on_the_mart_it_is_named_after() -> None:
    files = sorted((REPORTS / "sources/marts").glob("*.sql"))
    assert files
    for file in files:
        assert file.read_text("utf-8") == f"select * from marts.{file.stem}\n", file.name


def test_pages_read_every_declared_mart_and_no_other() -> None:
    declared = {file.stem for file in (REPORTS / "sources/marts").glob("*.sql")}
    assert set().union(*page_marts().values()) == declared


def test_pages_use_only_components_whose_words_are_french() -> None:
    ours = {file.stem for file in (REPORTS / "components").glob("*.svelte")}
    translated = {"BarChart", "LineChart", "DataTable", "Column", "Value"}
    for page in (REPORTS / "pages").rglob("*.md"):
        used = set(re.findall(r"<([A-Z]\w+)", page.read_text("utf-8")))
        assert used <= ours | translated, page.name


def test_every_page_says_where_figures_come_from_and_what_they_do_not_say() -> None:
    for page in (REPORTS / "pages").rglob("*.md"):
        text = page.read_text("utf-8")
        assert "<Provenance" in text, page.name
        if page.stem != "index":
            assert re.search(
                r"^## Ce que ce(s chiffres|tte \w+| signal) ne di(sen)?t pas$", text, re.M
            ), page.name


def test_every_question_of_the_predecessor_has_its_page_table_and_query() -> None:
    text = (stores.ROOT / "docs/barometre.md").read_text("utf-8")
    rows = re.findall(r"^\| .+ \| `(.+)` \| `(.+)` \| `(.+)` \|$", text, re.M)
    assert len(rows) > 30
    for page, mart, query in rows:
        queries = dict(
            re.findall(
                r"```sql (\w+)\n(.*?)```",
                (REPORTS / f"pages/{page}.md").read_text("utf-8"),
                re.DOTALL,
            )
        )
        read, ahead = "", [query]  # the query, and those that it reads
        while ahead:
            read += queries[ahead.pop()]
            ahead += [
                name for name in re.findall(r"\$\{(\w+)\}", read) if queries[name] not in read
            ]
        assert f"marts.{mart}\n" in read or f"marts.{mart} " in read, (page, mart, query)


def test_every_figure_says_what_it_covers() -> None:
    for page in (REPORTS / "pages").rglob("*.md"):
        for figure in re.findall(r"<(?:Chiffre|Comparaison) .*/>", page.read_text("utf-8")):
            assert " period=" in figure, f"{page.name} : {figure}"


def test_the_rule_of_needs_is_written_with_its_thresholds() -> None:
    page = (REPORTS / "pages/besoins.md").read_text("utf-8")
    with (stores.ROOT / "dbt_project/seeds/ref_methodes.csv").open(encoding="utf-8") as seed:
        rule = {
            row["parametre"]: float(row["valeur"])
            for row in csv.DictReader(seed)
            if row["methode_id"] == "adequation"
        }

    def percent(name: str) -> str:
        return f"{rule[name] * 100:g}".replace(".", ",") + " %"

    for sentence in (
        f"moins de {rule['demande_min']:g} demandes, ou moins de {percent('demande_part_min')}",
        f"sur au moins {rule['notes_min']:g} réponses",
        f"moins de {percent('satisfaction_min')} sont satisfaites",
        f"moins de {percent('aboutis_min')} aboutissent",
        f"inférieure à {percent('audience_indice_min')} de la part",
    ):
        assert sentence in page


def test_patches_are_made_for_the_locked_versions() -> None:
    packages = json.loads((REPORTS / "package-lock.json").read_text("utf-8"))["packages"]
    patches = sorted((REPORTS / "patches").glob("*.patch"))
    assert patches
    for patch in patches:
        *name, version = patch.stem.split("+")
        assert packages[f"node_modules/{'/'.join(name)}"]["version"] == version


@pytest.mark.parametrize("text", ["", "Download"])
def test_a_patch_whose_text_moved_upstream_stops_the_installation(
    tmp_path: Path, text: str
) -> None:
    name, version = "@evidence-dev/core-components", "5.4.2"
    patch = REPORTS / "patches" / f"{name.replace('/', '+')}+{version}.patch"
    installed, package = (root / "node_modules" / name for root in (REPORTS, tmp_path))
    touched = rf"^--- a/node_modules/{name}/(.*)$"
    for file in ("package.json", *re.findall(touched, patch.read_text("utf-8"), re.M)):
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(installed / file, package / file)
    (tmp_path / "package.json").write_text(json.dumps({"dependencies": {name: version}}))
    (tmp_path / "patches").mkdir()
    shutil.copy(patch, tmp_path / "patches")
    undo = ["git", "apply", "--reverse", str(patch)]
    subprocess.run(undo, cwd=tmp_path, check=True)  # as npm unpacks it
    if text:
        moved = package / "dist/unsorted/ui/DownloadData.svelte"
        moved.write_text(moved.read_text("utf-8").replace(text, "Save as"), "utf-8")
    apply = [str(REPORTS / "node_modules/.bin/patch-package"), "--error-on-fail"]
    outcome = subprocess.run(apply, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (outcome.returncode != 0) == bool(text), outcome.stdout + outcome.stderr


def test_the_lock_names_no_registry() -> None:
    assert '"resolved"' not in (REPORTS / "package-lock.json").read_text("utf-8")


# --- build and swap


def test_without_a_publication_the_previous_site_stays(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("hier")
    with pytest.raises(SiteError, match=r"préparation.*\n.*Remède"):
        build_site(tmp_path / "absent.duckdb", site, tmp_path / "work", lambda _: None)
    assert (site / "index.html").read_text() == "hier"


@pytest.mark.slow
def test_a_mart_that_is_missing_is_named_and_the_previous_site_stays(
    built: Path, tmp_path: Path
) -> None:
    published = tmp_path / "published.duckdb"
    shutil.copy(built / "published/cyberimpact.duckdb", published)
    with duckdb.connect(str(published)) as connection:
        connection.execute("drop table marts.fct_avis__mensuels")
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("hier")
    with pytest.raises(SiteError, match=r"sources.*\n?.*fct_avis__mensuels"):
        build_site(published, site, tmp_path / "work", lambda _: None)
    assert (site / "index.html").read_text() == "hier"


# --- the site served


@pytest.fixture(scope="session")
def world(built: Path) -> Iterator[World]:
    for address in served(built / "site"):
        yield World(address, built / "published/cyberimpact.duckdb")


def test_the_record_of_processing_is_there_to_take_away(built: Path) -> None:
    record = json.loads((built / "site/traitements.json").read_text("utf-8"))
    told = {one["source"] for part in record["traitements"] for one in part["sources"]}
    with duckdb.connect(built / "published/cyberimpact.duckdb", read_only=True) as connection:
        marts = connection.execute("select distinct source from marts.ref_traitements").fetchall()
    assert told == {source for (source,) in marts} != set()


def _get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def test_what_the_build_compressed_is_served_to_whoever_reads_it(tmp_path: Path) -> None:
    content = b"let a = 1;\n" * 500
    (tmp_path / "a.js").write_bytes(content)
    (tmp_path / "folder.json").mkdir()  # Evidence builds one
    compress(tmp_path)
    for address in served(tmp_path):
        status, headers, body = _get(address + "a.js", **{"Accept-Encoding": "gzip"})
        assert (status, headers["content-encoding"]) == (200, "gzip")
        assert headers["content-type"].startswith("text/javascript")
        assert gzip.decompress(body) == content
        tag = {"Accept-Encoding": "gzip", "If-None-Match": headers["etag"]}
        assert _get(address + "a.js", **tag)[0] == 304
        assert _get(address + "a.js")[2] == content
        part = {"Accept-Encoding": "gzip", "Range": "bytes=4-7"}
        assert _get(address + "a.js", **part)[::2] == (206, content[4:8])


@pytest.mark.slow
def test_the_server_gives_parts_of_files_compresses_pages_and_closes_the_doors(
    built: Path, world: World
) -> None:
    site = built / "site"
    parquet = next(site.glob("data/**/fct_avis__mensuels.parquet"))
    path = parquet.relative_to(site).as_posix()
    status, headers, body = _get(
        world.address + path, Range="bytes=4-19", **{"Accept-Encoding": "gzip"}
    )
    assert (status, body) == (206, parquet.read_bytes()[4:20])
    assert "immutable" in headers["cache-control"]

    status, headers, body = _get(world.address, **{"Accept-Encoding": "gzip"})
    assert status == 200
    assert headers["cache-control"] == "no-cache"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert b'<html lang="fr">' in gzip.decompress(body)

    status, _, body = _get(world.address + "nulle-part/")
    assert status == 404
    assert "Page introuvable" in body.decode()
    assert _get(world.address + "%2e%2e/published/cyberimpact.duckdb")[0] == 404


# --- the pages in a browser


def _sheets(page: Page) -> int:
    """Return how many sides of A4 a page takes."""
    sheets = page.pdf(prefer_css_page_size=True, print_background=True)
    return len(re.findall(rb"/Type /Page\b", sheets))


def _percent(share: object) -> str:
    if not isinstance(share, float):
        return "Non disponible"
    return f"{share * 100:.1f}".replace(".", ",") + "\u202f%"


@pytest.fixture
def visit(chromium: Browser, world: World, request: pytest.FixtureRequest) -> Iterator[Visit]:
    options = {"color_scheme": "light", "viewport": {"width": 1400, "height": 900}}
    options |= getattr(request, "param", {})
    context = chromium.new_context(locale="fr-FR", timezone_id="Europe/Paris", **options)
    yield Visit(context.new_page(), world)
    context.close()


SCREENS = pytest.mark.parametrize(
    "visit",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
    ],
    ids=["clair", "sombre-telephone"],
    indirect=True,
)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_in_french_without_error_nor_request_outside(visit: Visit, path: str) -> None:
    visit.open(path)
    page = visit.page
    expect(page.get_by_text("Prochaine publication", exact=False)).to_be_visible()
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true })")
    for theme, width in (("light", 1400), ("dark", 390)):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        page.wait_for_timeout(1_000)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, theme
        serious = [
            f"{fault['id']} : {fault['nodes'][0]['html'][:200]}"
            for fault in Axe().run(page).response["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
        assert serious == [], theme
        words = page.evaluate(
            """() => [document.title, document.body.innerText,
                ...[...document.querySelectorAll('[aria-label], [placeholder], [title]')].flatMap(
                    (node) => ['aria-label', 'placeholder', 'title'].map(
                        (name) => node.getAttribute(name) ?? ''))].join('\\n')"""
        )
        assert not [found.group() for found in ENGLISH.finditer(words)]
    assert visit.faults == []
    assert page.evaluate("document.documentElement.lang") == "fr"


# Serves a site and opens its pages where no other host exists; then makes a choice, which takes
# the database of the browser, its worker and its WebAssembly.
ALONE = """
import json, sys
from pathlib import Path
import duckdb
from playwright.sync_api import expect, sync_playwright
sys.path.insert(0, "tests")
from browser import ARGUMENTS, CHROMIUM, Visit, World, served
from test_reports import PAGES

site, published = map(Path, sys.argv[1:])
faults = {}
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    for address in served(site):
        visit = Visit(browser.new_page(), World(address, published))
        visit.page.on(
            "requestfailed",  # aborted: what the page itself gave up on its way elsewhere
            lambda request: (
                request.failure == "net::ERR_ABORTED" or visit.faults.append(request.url)
            ),
        )
        visit.open("actions/")
        visit.page.get_by_role("combobox", name="Territoire").select_option(value="59")
        (count,) = visit.world.sql(
            "select sum(signalements_count)::bigint from marts.fct_signalements__departements"
            " where source = 'perceval' and departement_code = '59'"
        )
        visit.expect_figure("Signalements", count)
        for path in (page for page in PAGES if "[" not in page):
            visit.page.goto(address + path, wait_until="networkidle")
            expect(visit.page.locator("article h1")).to_be_visible()
        print(json.dumps(visit.faults))
    browser.close()
"""


@pytest.mark.slow
@pytest.mark.browser
def test_the_site_works_where_the_loopback_is_the_only_network(
    built: Path, chromium: Browser
) -> None:
    alone = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"']
    if subprocess.run([*alone, "-", "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not permitted here")
    published = built / "published/cyberimpact.duckdb"
    outcome = subprocess.run(
        [*alone, "-", sys.executable, "-c", ALONE, str(built / "site"), str(published)],
        cwd=stores.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr[-3000:]
    assert json.loads(outcome.stdout) == []


@pytest.mark.slow
@pytest.mark.browser
@SCREENS
def test_the_menu_unfolds_folds_and_leads_to_every_page(visit: Visit) -> None:
    visit.open("")
    menu = visit.page.get_by_role("navigation", name="Menu principal")
    burger = menu.get_by_role("button", name="Menu", exact=True)
    if burger.is_visible():
        burger.click()
    hrefs = menu.locator("a").evaluate_all("links => links.map((link) => link.pathname)")
    assert sorted(hrefs) == sorted(f"/{page}" for page in PAGES if "[" not in page)
    folder = menu.get_by_role("button", name="Actions")
    folder.press("Enter")
    expect(folder).to_have_attribute("aria-expanded", "true")
    visit.page.keyboard.press("Escape")
    if burger.is_visible():  # on a phone the whole menu folds
        expect(burger).to_have_attribute("aria-expanded", "false")
        burger.click()
    expect(folder).to_have_attribute("aria-expanded", "false")
    folder.click()
    menu.get_by_role("link", name="Pré-plainte en ligne").click()
    expect(visit.page.locator("article h1")).to_contain_text("Pré-plainte")
    expect(menu.locator('[aria-current="page"]')).to_have_attribute("href", "/pre-plainte/")
    assert visit.faults == []


@pytest.mark.slow
@pytest.mark.browser
def test_home_compares_three_months_with_the_same_months_a_year_before(visit: Visit) -> None:
    visit.open("")
    assert visit.page.locator("[data-chiffre]").count() == 9
    avis = "(from marts.fct_avis where source = 'services_publics_plus')"
    last = f"(select max(jour) from {avis})"
    (present,) = visit.world.sql(
        f"select count(*) from {avis} where jour > {last} - interval 3 month"
    )
    (before,) = visit.world.sql(
        f"select count(*) from {avis} where jour > {last} - interval 15 month"
        f" and jour <= {last} - interval 12 month"
    )
    visit.expect_figure("Avis publiés", present)
    expect(visit.page.locator('[data-chiffre="Avis publiés"] .comparison')).to_contain_text(
        f"par rapport à {french(before)}"
    )
    last = "(select max(jour) from marts.fct_signalements where source = 'perceval')"
    (reports, amount) = visit.world.sql(
        "select sum(signalements_count)::bigint, round(sum(montant_eur))::bigint"
        " from marts.fct_signalements"
        f" where source = 'perceval' and jour > {last} - interval 3 month"
    )
    visit.expect_figure("Fraudes à la carte signalées", reports)
    visit.expect_figure("Montant signalé", amount)
    (followers,) = visit.world.sql(
        "select sum(n)::bigint from (select arg_max(abonnes_count, jour) as n"
        " from marts.fct_comptes group by compte_id)"
    )
    visit.expect_figure("Abonnés à nos comptes", followers)
    (signals,) = visit.world.sql(
        "select least(count(*), 5) from marts.fct_signaux where clos_at is null"
    )
    assert isinstance(signals, int)
    expect(visit.page.locator("[data-signal]")).to_have_count(signals)
    expect(visit.page.get_by_text("Aucun signal ouvert")).to_have_count(0 if signals else 1)


@pytest.mark.slow
@pytest.mark.browser
def test_the_bulletin_of_each_week_shows_its_counts_on_one_sheet(visit: Visit) -> None:
    visit.open("bulletin/")
    last, placed = visit.world.sql(
        "with fin as (select max(semaine_le) as fin_le from marts.fct_bulletins)"
        " select max(fin_le), max(date_trunc('week', ouvert_at)) from marts.fct_signaux, fin"
        " where departements_codes is not null and ouvert_at < fin_le"
    )
    for week in (last, placed):
        label = f"du {week:%d/%m/%Y}"
        option = visit.page.locator("select[name=semaine] option", has_text=label)
        visit.page.locator("select[name=semaine]").select_option(option.get_attribute("value"))
        expect(visit.page.locator(".sous-titre")).to_contain_text(label)
        counts = visit.world.sql(
            "select sum(messages_count) filter (where rubrique = 'sujet')::bigint,"
            " sum(messages_count) filter (where rubrique = 'avis' and code = 'recus')::bigint"
            f" from marts.fct_bulletins where semaine_le = '{week}'"
        )
        daily = visit.world.sql(
            "select sum(messages_count)::bigint from marts.fct_volumes_sociaux__quotidiens"
            f" where jour between '{week}' and date '{week}' + 6"
        )
        assert counts[0] == daily[0]
        visit.expect_figure("Messages publics sur nos sujets", counts[0])
        visit.expect_figure("Avis publics des usagers", counts[1])
        during = f"< timestamp '{week}' + interval 7 day"
        (signals, rumours) = visit.world.sql(
            "select (select least(count(*), 6) from marts.fct_signaux"
            f" where ouvert_at {during} and coalesce(clos_at >= '{week}', true)),"
            " (select least(count(*), 5) from marts.fct_rumeurs"
            " where date_trunc('week', montee_at at time zone 'UTC' at time zone 'Europe/Paris')"
            f" = '{week}')"
        )
        for table, count in (("signaux", signals), ("rumeurs", rumours)):
            assert isinstance(count, int)
            shown = visit.page.locator(f"[aria-label='Les {table} de la semaine'] tbody tr")
            expect(shown).to_have_count(count)
    (places,) = visit.world.sql(
        "select departements_codes from marts.fct_signaux where departements_codes is not null"
        f" and ouvert_at {during} order by ouvert_at desc"
    )
    for code in str(places).split(","):
        path = visit.page.locator("[data-carte]").first.locator(f'[data-code="{code}"]')
        expect(path).not_to_have_class(re.compile("none"))
    assert _sheets(visit.page) <= 2
    link = visit.page.locator("[aria-label='Les signaux de la semaine'] a").first
    title = link.inner_text()
    link.click()
    expect(visit.page.locator("article h1")).to_have_text(title)
    assert visit.faults == []


@pytest.mark.slow
@pytest.mark.browser
def test_perception_shows_the_published_counts_and_its_filters_compose(visit: Visit) -> None:
    visit.open("perception/")
    avis = "(from marts.fct_avis where source = 'services_publics_plus')"

    def expect_counts(where: str) -> None:
        total, positive, neutral, negative, answered = visit.world.sql(
            "select count(*), count(*) filter (where ressenti = 'positif'),"
            " count(*) filter (where ressenti = 'neutre'),"
            " count(*) filter (where ressenti = 'negatif'), avg(is_repondu::integer)"
            f" from {avis} where {where}"
        )
        visit.expect_figure("Avis publiés", total)
        visit.expect_figure("Positifs", positive)
        visit.expect_figure("Neutres", neutral)
        visit.expect_figure("Négatifs", negative)
        visit.expect_figure("Avis qui ont reçu une réponse", _percent(answered))

    expect_counts("true")
    mean, most = visit.world.sql(
        "select round(avg(delai_reponse_jours), 1), quantile_disc(delai_reponse_jours, 0.75)"
        f" from {avis}"
    )
    visit.expect_figure("Délai moyen de réponse", str(mean).replace(".", ","))
    visit.expect_figure("Trois réponses sur quatre arrivent en", str(most))
    visit.page.get_by_role("combobox", name="Périmètre").select_option(
        label="Périmètre Gendarmerie"
    )
    expect_counts("is_perimetre_gendarmerie")
    (year,) = visit.world.sql(f"select max(year(jour)) from {avis}")
    visit.page.get_by_role("combobox", name="Période").select_option(label=f"Année {year}")
    expect_counts(f"is_perimetre_gendarmerie and year(jour) = {year}")
    visit.page.get_by_role("combobox", name="Territoire").select_option(label="59 Nord")
    chosen = f"is_perimetre_gendarmerie and year(jour) = {year} and departement_code = '59'"
    expect_counts(chosen)
    # Whoever receives the address sees the same figures, and the same choices.
    shared = visit.page.url
    for said in ("perimetre=is_perimetre_gendarmerie", f"annee-{year}", "territoire=59-nord"):
        assert said in shared
    visit.page.goto("about:blank")
    visit.page.goto(shared, wait_until="networkidle")
    expect_counts(chosen)
    expect(visit.page.get_by_label("Territoire").locator("option:checked")).to_have_text("59 Nord")
    visit.page.get_by_role("combobox", name="Territoire").select_option(label="Toute la France")
    assert "territoire" not in visit.page.url
    # What is no option of ours is nothing: it never reaches a query.
    visit.page.goto(visit.world.address + "perception/?periode=false or 1=1&perimetre=drop")
    expect_counts("true")
    assert visit.faults == []


@pytest.mark.slow
@pytest.mark.browser
def test_audience_pre_plaintes_and_contacts_show_the_published_sums(visit: Visit) -> None:
    visit.open("audience/")
    visits, views = visit.world.sql(
        "select sum(visites_count)::bigint, sum(pages_vues_count)::bigint"
        " from marts.fct_audience__mensuels"
        " where mois > (select max(mois) from marts.fct_audience__mensuels) - interval 12 month"
    )
    visit.expect_figure("Visites", visits)
    visit.expect_figure("Pages vues", views)
    visit.page.goto(visit.world.address + "pre-plainte/", wait_until="networkidle")
    count, minutes = visit.world.sql(
        "select sum(declarations_count)::bigint, round(sum(duree_secondes) / 60.0"
        " / sum(declarations_count) filter (where duree_secondes is not null), 1)"
        " from marts.fct_pre_plaintes"
    )
    visit.expect_figure("Pré-plaintes", count)
    shown = visit.page.locator('[data-chiffre="Durée moyenne d’une déclaration"] .value')
    expect(shown).to_have_text(re.compile(rf"^{str(minutes).replace('.', ',')}\sminutes$"))
    visit.page.goto(visit.world.address + "contacts/", wait_until="networkidle")
    (contacts,) = visit.world.sql(
        "select sum(contacts_count)::bigint from marts.fct_contacts"
        " where mois > (select max(mois) from marts.fct_contacts) - interval 12 month"
    )
    visit.expect_figure("Contacts", contacts)
    assert visit.faults == []


@pytest.mark.slow
@pytest.mark.browser
def test_every_published_table_is_listed_and_downloaded_from_the_site(visit: Visit) -> None:
    with duckdb.connect(str(visit.world.published), read_only=True) as connection:
        tables = connection.execute(
            "select table_name from duckdb_tables() where schema_name = 'marts' order by 1"
        ).fetchall()
    visit.open("donnees/")
    listed = visit.page.locator("[data-table]").evaluate_all(
        "nodes => nodes.map((node) => node.dataset.table)"
    )
    assert [(name,) for name in listed] == tables
    for name in listed:
        for format, start in (("parquet", b"PAR1"), ("csv", b"")):
            status, _, body = _get(f"{visit.world.address}telechargements/{name}.{format}")
            assert status == 200 and body.startswith(start), name
    visit.page.get_by_label("Chercher une table").fill("fct_pre_plaintes")
    expect(visit.page.locator('[data-table="fct_pre_plaintes"]')).to_be_visible()
    expect(visit.page.locator('[data-table="ref_regions"]')).to_have_count(0)
    assert visit.faults == []


@pytest.mark.slow
@pytest.mark.browser
def test_actions_divides_sums_last(visit: Visit) -> None:
    visit.open("actions/")

    def expect_sums(where: str) -> None:
        count, amount, mean = visit.world.sql(
            "select sum(signalements_count)::bigint, round(sum(montant_eur))::bigint,"
            " printf('%.2f', sum(montant_eur) / sum(signalements_count)"
            " filter (where montant_eur is not null))"
            f" from marts.fct_signalements where source = 'perceval' and {where}"
        )
        visit.expect_figure("Signalements", count)
        visit.expect_figure("Montant signalé", amount)
        whole, cents = str(mean).split(".")
        visit.expect_figure("Montant moyen d’un signalement", f"{french(int(whole))},{cents}")

    expect_sums("true")
    (year,) = visit.world.sql(
        "select max(year(jour)) from marts.fct_signalements where source = 'perceval'"
    )
    visit.page.get_by_role("combobox", name="Période").select_option(label=f"Année {year}")
    expect_sums(f"year(jour) = {year}")
    assert visit.faults == []


@pytest.mark.slow
@pytest.mark.browser
def test_campaigns_say_what_the_mart_says_and_lead_to_their_pages(visit: Visit) -> None:
    visit.open("actions/")
    page = visit.page
    page.get_by_role("link", name="l’effet de chaque campagne").click()
    known, estimated, shown = visit.world.sql(
        "select count(*), count(*) filter (where conclusion != 'non_estimable'),"
        " count(*) filter (where conclusion = sens_attendu) from marts.fct_campagnes"
    )
    visit.expect_figure("Campagnes connues", known)
    visit.expect_figure("Effet estimé", estimated)
    visit.expect_figure("Effet voulu démontré", shown)
    key, name, phrase, observed, expected, share, periods = visit.world.sql(
        "select campagne_cle, campagne_id, phrase, observe_count, attendu_count,"
        " round(100 * effet_part)::int, (select count(*) from marts.fct_campagnes__periodes as p"
        " where p.campagne_id = c.campagne_id) from marts.fct_campagnes as c"
        f" where campagne_cle = ({FIRST['campagne']})"
    )
    page.get_by_role("link", name=str(name)).click()
    page.wait_for_url(f"**/campagnes/{key}/")
    expect(page.locator(".conclusion")).to_contain_text(str(phrase), timeout=20_000)
    visit.expect_figure("Compté", observed)
    visit.expect_figure("Attendu sans la campagne", expected)
    effect = page.locator('[data-chiffre="Effet"] .value')
    expect(effect).to_contain_text(re.compile(rf"^[+−-]?{abs(int(str(share)))}\s%$"))
    curve = page.locator("[data-bande] polyline.observe").first
    expect(curve).to_have_attribute("points", re.compile(rf"^(\S+ ?){{{periods}}}$"))
    assert visit.faults == []


@pytest.mark.slow
@pytest.mark.browser
def test_a_campaign_that_cannot_be_judged_says_why_and_shows_no_figure(visit: Visit) -> None:
    key, phrase = visit.world.sql(
        "select campagne_cle, phrase from marts.fct_campagnes where conclusion = 'non_estimable'"
        " order by campagne_cle limit 1"
    )
    visit.open(f"campagnes/{key}/")
    expect(visit.page.locator(".conclusion")).to_contain_text(str(phrase))
    assert visit.page.locator("[data-chiffre]").count() == 0
    assert visit.faults == []


@pytest.mark.slow
@pytest.mark.browser
def test_visibility_shows_accounts_and_conversations(visit: Visit) -> None:
    visit.open("visibilite/")
    (accounts,) = visit.world.sql("select count(distinct compte_id) from marts.fct_comptes")
    visit.expect_figure("Comptes suivis", accounts)
    visit.page.get_by_role("combobox", name="Période").select_option(label="Toute la période")
    subject, messages = visit.world.sql(
        "select sujet_label, sum(messages_count)::bigint"
        " from marts.fct_volumes_sociaux__quotidiens inner join marts.ref_sujets using (sujet)"
        " group by 1 order by 2 desc limit 1"
    )
    shown = re.compile(rf"{subject}\s*" + french(messages).replace("\u202f", r"\s"))
    row = visit.page.locator("tr").filter(has_text=shown, visible=True)
    expect(row).to_be_visible(timeout=20_000)


@pytest.mark.slow
@pytest.mark.browser
def test_the_map_follows_its_measure_and_the_keyboard(visit: Visit) -> None:
    visit.open("carte/")
    page = visit.page
    paths = page.locator("[data-carte] path")
    expect(paths).to_have_count(101)

    def expect_department(code: str, value: str) -> None:
        expect(page.locator(f'path[data-code="{code}"]')).to_have_attribute(
            "aria-label", re.compile(rf" : {re.escape(value)}$"), timeout=20_000
        )

    page.get_by_role("combobox", name="Mesure").select_option(value="avis")
    avis = "(from marts.fct_avis where source = 'services_publics_plus')"
    (count,) = visit.world.sql(f"select count(*) from {avis} where departement_code = '59'")
    expect_department("59", french(count))
    (unplaced,) = visit.world.sql(f"select count(*) from {avis} where departement_code is null")
    visit.expect_figure("Sans département connu", unplaced)

    page.get_by_role("combobox", name="Mesure").select_option(value="delinquance")
    indicator, unit, year, rate = visit.world.sql(
        "select indicateur, lower(unite_de_compte), annee, taux_pour_mille"
        " from marts.fct_delinquance where departement_code = '974'"
        " order by annee, indicateur desc limit 1"
    )
    page.get_by_role("combobox", name="Indicateur").select_option(label=f"{indicator} ({unit})")
    page.get_by_role("combobox", name="Année").select_option(label=str(year))
    expect_department("974", f"{float(str(rate)):,.1f}".replace(",", "\u202f").replace(".", ","))

    page.locator("[data-carte] a[tabindex='0']").focus()
    for code in ("02", "03"):
        page.keyboard.press("ArrowRight")
        expect(page.locator("a:focus path")).to_have_attribute("data-code", code)
        expect(page.locator("[data-carte] .reading")).to_contain_text(f"({code})")
    page.keyboard.press("Enter")
    expect(page.locator("article h1")).to_have_text("Allier (03)", timeout=20_000)
    assert visit.faults == []


@pytest.mark.slow
@pytest.mark.browser
def test_needs_without_an_answer_and_the_map_of_a_need(visit: Visit) -> None:
    visit.open("besoins/")
    page = visit.page

    def expect_balance(period: int) -> None:
        demand, unanswered, share = visit.world.sql(
            "with besoins as (select distinct besoin_code, demande_count,"
            " etat_besoin in ('absent', 'insuffisant', 'meconnu') as is_sans_reponse"
            f" from marts.fct_adequation where periode_rang = {period})"
            " select sum(demande_count)::bigint, count(*) filter (where is_sans_reponse),"
            " (sum(demande_count) filter (where is_sans_reponse) / sum(demande_count))::double"
            " from besoins"
        )
        visit.expect_figure("Demandes reconnues", demand)
        visit.expect_figure("Besoins sans réponse", unanswered)
        visit.expect_figure("Part de la demande sans réponse", _percent(share))

    expect_balance(1)
    where = "from marts.fct_besoins__departements where periode_rang = 1 and famille = 'avis'"
    need, label = visit.world.sql(
        f"select besoin_code, besoin_label from (select besoin_code {where}"
        " group by 1 order by sum(messages_count) desc, 1 limit 1)"
        " inner join marts.ref_besoins using (besoin_code)"
    )
    page.get_by_role("combobox", name="Canal").select_option(value="avis")
    page.get_by_role("combobox", name="Besoin").select_option(value=str(need))
    where += f" and besoin_code = '{need}'"
    messages, located = visit.world.sql(
        "select sum(messages_count)::bigint, (sum(messages_count)"
        f" filter (where departement_code is not null) / sum(messages_count))::double {where}"
    )
    visit.expect_figure("Messages et signalements de ce besoin", messages)
    visit.expect_figure("Part située sur la carte", _percent(located))
    expect(page.locator("[data-carte] figcaption")).to_contain_text(str(label))
    (rate,) = visit.world.sql(
        f"select printf('%.2f', taux_lisse) {where} and departement_code = '59'"
    )
    expect(page.locator('path[data-code="59"]')).to_have_attribute(
        "aria-label", f"Nord (59) : {str(rate).replace('.', ',')}", timeout=20_000
    )
    page.get_by_role("combobox", name="Canal").select_option(value="toutes")
    masked = visit.world.sql(
        "select count(*) from marts.fct_besoins__departements where periode_rang = 1"
        f" and famille = 'toutes' and is_masque and besoin_code = '{need}'"
    )
    visit.expect_figure("Territoires à effectif masqué", masked[0])
    assert visit.faults == []


@pytest.mark.slow
@pytest.mark.browser
def test_the_page_of_needs_says_which_has_no_answer_and_where(visit: Visit) -> None:
    [planted] = needs(world_of_sandbox().seed)
    (label,) = visit.world.sql(
        f"select besoin_label from marts.ref_besoins where besoin_code = '{planted.code}'"
    )
    places = ", ".join(f"'{code}'" for code in planted.departements)
    (names,) = visit.world.sql(
        "select list(departement_label) from marts.ref_departements"
        f" where departement_code in ({places})"
    )
    visit.open("besoins/")
    row = visit.page.locator("tr").filter(has_text=str(label)).first
    expect(row.locator("td").nth(1)).to_have_text("Absent", timeout=20_000)
    assert sorted(row.locator("td").nth(4).inner_text().split(", ")) == sorted(names)  # type: ignore[call-overload]

    visit.open(f"departements/{planted.departements[0]}/")
    row = visit.page.locator("[aria-label='Les besoins sans réponse'] tr").filter(
        has_text=str(label)
    )
    expect(row).to_contain_text("au-dessus")
    elsewhere = next(code for code in ("59", "13", "33") if code not in planted.departements)
    visit.open(f"departements/{elsewhere}/")
    row = visit.page.locator("[aria-label='Les besoins sans réponse'] tr").filter(
        has_text=str(label)
    )
    expect(row.filter(has_text="au-dessus")).to_have_count(0)
    assert visit.faults == []


@pytest.mark.slow
def test_every_departement_has_its_page(built: Path, world: World) -> None:
    (codes,) = world.sql(
        "select list(departement_code) from marts.ref_departements where is_departement"
    )
    pages = {page.parent.name for page in (built / "site/departements").glob("*/index.html")}
    assert len(pages) == 101
    assert pages == set(codes)  # type: ignore[call-overload]


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("code", ["59", "48"])
def test_the_page_of_a_departement_shows_what_sql_gives(visit: Visit, code: str) -> None:
    visit.open(f"departements/{code}/")
    page = visit.page
    where = f"where periode_rang = 1 and departement_code = '{code}'"
    messages, negative, unanswered = visit.world.sql(
        "select messages_count, printf('%.0f', 100 * part_negative),"
        " printf('%.0f', 100 * part_sans_reponse)"
        f" from marts.fct_departements {where} and famille = 'messages'"
    )
    visit.expect_figure("Messages d’usagers", messages)
    visit.expect_figure("Part de messages négatifs", f"{negative}\u202f%")
    visit.expect_figure("Avis restés sans réponse", f"{unanswered}\u202f%")
    (reports,) = visit.world.sql(
        "select sum(messages_count)::bigint from marts.fct_besoins__departements"
        f" {where} and famille = 'signalements'"
    )
    visit.expect_figure("Signalements et déclarations", reports)
    need, count, rate, low, high = visit.world.sql(
        "select besoin_label, messages_count, printf('%.1f', taux_pour_100000),"
        " printf('%.1f', taux_bas), printf('%.1f', taux_haut)"
        " from marts.fct_besoins__departements inner join marts.ref_besoins using (besoin_code)"
        f" {where} and famille = 'messages' order by messages_count desc, besoin_label limit 1"
    )
    cells = page.locator("[aria-label='Les besoins les plus exprimés'] tbody tr").first.locator(
        "th, td"
    )
    expect(cells.nth(0)).to_have_text(str(need))
    expect(cells.nth(1)).to_have_text(french(count))
    expect(cells.nth(2)).to_have_text(str(rate).replace(".", ","))
    expect(cells.nth(3)).to_have_text(f"{low} à {high}".replace(".", ","))
    staff, load = visit.world.sql(
        "select effectif_count, printf('%.1f', demandes_par_agent) from marts.fct_moyens"
        f" where grain = 'annee' and departement_code = '{code}' order by debut_le desc limit 1"
    )
    visit.expect_figure("Messages et signalements par agent", str(load).replace(".", ","))
    means = page.locator("[aria-label='Les moyens en face de la demande'] tbody tr").first
    expect(means).to_contain_text(french(staff))
    assert _sheets(page) <= 2
    assert visit.faults == []


def test_signals_are_listed_and_the_planted_panic_is_told_to_its_end(visit: Visit) -> None:
    panic = _panic_signal(visit.world)
    page = visit.page
    visit.open("signaux/")
    (open_ones,) = visit.world.sql("select count(*) from marts.fct_signaux where clos_at is null")
    visit.expect_figure("Signaux ouverts", open_ones)
    page.get_by_role("combobox", name="État").select_option(label="Clos ou expliqués")
    page.get_by_role("combobox", name="Famille de sources").select_option(label="Réseaux sociaux")
    places = str(panic["departements_codes"]).split(",")
    page.get_by_role("combobox", name="Territoire").select_option(
        label=next(
            text
            for text in page.get_by_role("combobox", name="Territoire")
            .locator("option")
            .all_inner_texts()
            if text.endswith(f"({places[0]})")
        )
    )
    page.locator(f'[data-signal="{panic["signal_id"]}"] a').click()
    expect(page.locator("article h1")).to_have_text(str(panic["titre"]))
    visit.expect_figure("Observé au plus haut", panic["observe_count"])
    expect(page.get_by_text(str(panic["constat"]), exact=True)).to_be_visible()
    expect(page.locator("[data-bande] svg")).to_have_attribute(
        "aria-label", re.compile("en alerte")
    )
    for code in places:
        expect(page.locator(f'[data-carte] path[data-code="{code}"]')).not_to_have_class(
            re.compile("none")
        )
    for said in ("Confirmé", "Plus aucune alerte depuis"):
        expect(page.locator("td:visible", has_text=said).first).to_be_visible()
    assert visit.faults == []


def _panic_signal(world: World) -> dict[str, object]:
    """Return the last signal of a planted panic that is over."""
    with duckdb.connect(str(world.published), read_only=True) as connection:
        rows = connection.execute(
            "select * from marts.fct_signaux where sujet = 'panique' and famille = 'reseaux'"
            " and confirme_at is not null and clos_at is not null"
            " and departements_codes is not null order by clos_at desc limit 1"
        ).fetch_arrow_table()
    assert rows.num_rows, "no panic opened, was confirmed and closed"
    [signal] = rows.to_pylist()
    return dict(signal)


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("hours", [1, 24 * 365 * 100])
def test_invented_sources_are_announced_and_old_ones_are_late(visit: Visit, hours: int) -> None:
    shown = "pilier in ('visibilite', 'perception', 'actions')"
    (clock,) = visit.world.sql(
        f"select max(derniere_prise_at) + interval {hours} hour from marts.ref_sources"
    )
    visit.page.clock.set_fixed_time(f"{clock}Z")
    visit.open("")
    (invented,) = visit.world.sql(
        f"select count(*) from marts.ref_sources where origine = 'bac_a_sable' and {shown}"
    )
    banner = visit.page.get_by_text("Données de démonstration, inventées")
    expect(banner).to_have_count(1 if invented else 0)
    (late,) = visit.world.sql(
        f"select count(*) from marts.ref_sources where {shown}"
        " and least(derniere_prise_at, derniere_donnee_le + interval 1 day)"
        f" + fraicheur_max_heures * interval 1 hour < timestamp '{clock}'"
    )
    assert isinstance(late, int)
    expect(visit.page.locator(".notice.stale li")).to_have_count(late)
    expect(visit.page.get_by_text("Prochaine publication")).to_contain_text("à 5 h 30")


def _said_in_store(path: Path, regex: str) -> bool:
    """Say whether a store, which compresses its words, says what `regex` matches."""
    with duckdb.connect() as db:
        if path.suffix == ".duckdb":
            db.execute(f"attach '{path}' as store (read_only)")
            found = "from duckdb_tables() where database_name = 'store'"
            names = db.execute(f"select schema_name, table_name {found}").fetchall()
            sources = [f'store."{schema}"."{table}"' for schema, table in names]
        else:
            sources = [f"read_parquet('{path}')"]
        # The whole row as text: no column is forgotten, whatever its type.
        said = "regexp_matches(cast(r as varchar), ?)"
        return any(
            db.execute(f"select 1 from {source} as r where {said} limit 1", [regex]).fetchone()
            for source in sources
        )


@pytest.mark.slow
def test_what_the_sandbox_gives_away_is_written_nowhere(built: Path) -> None:
    """The invented people write names, numbers and addresses, and none is in any file."""
    # Written so that DuckDB and grep, a hundred times as fast as Python here, read them alike.
    phone = r"(^|\W)(0|\+33 ?)6 ?39 ?98( ?[0-9][0-9]){2}(\W|$)"
    card = r"(^|[^0-9.])411111[0-9]{10}([^0-9]|$)"  # not the decimals of a measure
    given = "|".join([*LAST_NAMES, r"@example\.org", phone, card])
    assert _said_in_store(built / "raw.duckdb", r"\[nom\]"), "nothing was given, nothing is proven"
    # What was handed in, by people or by the sandbox that plays them, stays as it was.
    ours = [entry for entry in built.iterdir() if entry.name not in ("depot", "sandbox")]
    plain = ("--exclude=*.duckdb", "--exclude=*.parquet")
    outcome = subprocess.run(
        ["grep", "-rlaE", *plain, "-e", given, *ours],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (1, "", "")
    for entry in ours:
        for path in [entry] if entry.is_file() else entry.rglob("*.*"):
            if path.suffix in (".duckdb", ".parquet"):
                assert not _said_in_store(path, given), path.relative_to(built)
