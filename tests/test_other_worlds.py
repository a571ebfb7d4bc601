"""The site of worlds that the sandbox does not make: real, empty, disagreeing, hostile."""

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from browser import Visit, World, french, served
from conftest import HOSTILE
from front import LECTRICE, SITE, front
from playwright.sync_api import Browser, expect

from orchestration.site import build_site

pytestmark = [pytest.mark.slow, pytest.mark.browser]


@pytest.fixture(scope="session")
def other_world(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The same marts, said to be real, one month that disagrees, no account, hostile texts."""
    folder = tmp_path_factory.mktemp("other_world")
    published = folder / "published.duckdb"
    shutil.copy(built / "published/cyberimpact.duckdb", published)
    with duckdb.connect(str(published)) as connection:
        connection.execute("update marts.ref_sources set origine = 'reel'")
        connection.execute(
            "update marts.fct_signalements__totaux set ages_count = 987654, is_concordant = false"
            " where mois = (select max(mois) from marts.fct_signalements__totaux)"
        )
        connection.execute(
            "update marts.fct_avis__mensuels set delais_count = 0, delais_jours = null"
        )
        for mart in (
            "fct_avis__delais",
            "fct_comptes",
            "fct_volumes_sociaux__quotidiens",
            "fct_quarantaine",
            "fct_signaux",
            "fct_signaux_preuves",
            "fct_signaux__series",
            "fct_signaux__evenements",
            "fct_alertes_qualite",
            "fct_rumeurs__hebdomadaires",
            "fct_triage",
        ):
            connection.execute(f"delete from marts.{mart}")
        _make_hostile(connection)
        connection.execute("checkpoint")
    build_site(published, folder / "site", folder / "work", lambda _: None)
    for address in served(folder / "site"):
        yield World(address, published)


def _make_hostile(connection: duckdb.DuckDBPyConnection) -> None:
    """Write hostile text where a mart carries words that others wrote."""
    columns = connection.execute(
        "select table_name, column_name from duckdb_columns() where schema_name = 'marts'"
        " and data_type = 'VARCHAR' and column_name in ('fichier', 'avertissements',"
        " 'service_label', 'structure_label', 'motif', 'motif_parent', 'poste_comme', 'page')"
    ).fetchall()
    for mart, column in columns:
        connection.execute(
            f"update marts.{mart} set {column} = list_extract(?::varchar[], rowid % ? + 1)"
            f" where {column} is not null",
            [list(HOSTILE), len(HOSTILE)],
        )


def test_real_disagreeing_and_empty_worlds_say_so(chromium: Browser, other_world: World) -> None:
    context = chromium.new_context(locale="fr-FR", timezone_id="Europe/Paris")
    visit = Visit(context.new_page(), other_world)
    visit.open("actions/")
    page = visit.page
    expect(page.get_by_text("La source ne s’accorde pas avec elle-même")).to_be_visible()
    expect(page.get_by_text(french(987654)).filter(visible=True)).to_be_visible()
    expect(page.get_by_text("Données de démonstration, inventées")).to_have_count(0)

    page.goto(other_world.address + "perception/", wait_until="networkidle")
    expect(page.get_by_text("Aucune réponse n’est datée")).to_be_visible()
    expect(page.get_by_text("Délai moyen de réponse")).to_have_count(0)

    page.goto(other_world.address + "visibilite/", wait_until="networkidle")
    expect(page.get_by_text("Aucun compte", exact=True).filter(visible=True)).to_be_visible()
    page.goto(other_world.address + "signaux/", wait_until="networkidle")
    visit.expect_figure("Signaux ouverts", 0)
    expect(page.get_by_text("Aucun signal ne répond à ces choix", exact=False)).to_be_visible()
    expect(page.get_by_text("Aucune histoire ne monte").filter(visible=True)).to_be_visible()
    assert visit.faults == []
    context.close()


@pytest.fixture
def before_nginx(chromium: Browser, other_world: World, tmp_path: Path) -> Iterator[Visit]:
    """The hostile world as it is deployed: behind nginx, with its accounts and its headers."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/site").symlink_to(other_world.published.with_name("site"))
    with front(tmp_path / "front", tmp_path / "data") as nginx:
        name, password = LECTRICE
        context = chromium.new_context(
            locale="fr-FR",
            ignore_https_errors=True,
            http_credentials={"username": name, "password": password, "send": "always"},
        )
        address = f"https://{SITE}:{nginx.port}/"
        yield Visit(context.new_page(), World(address, other_world.published))
        context.close()


def test_hostile_text_is_shown_and_downloaded_as_text(before_nginx: Visit) -> None:
    visit, page = before_nginx, before_nginx.page
    page.on("dialog", lambda dialog: visit.faults.append(dialog.message))
    visit.open("")
    for path in ("perception/", "qualite/"):
        page.goto(visit.world.address + path, wait_until="networkidle")
        for canvas in page.locator("canvas").all():
            canvas.scroll_into_view_if_needed()
            box = canvas.bounding_box()
            for share in (0.2, 0.5, 0.8) if box else ():
                page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
                page.wait_for_timeout(50)
    shown = page.locator("article").inner_text()
    page.get_by_role("button", name="Page suivante").first.click()
    shown += page.locator("article").inner_text()
    for text in HOSTILE[:8]:
        assert text.strip() in shown
    assert page.evaluate("window.hostile") is None
    assert page.locator("[data-hostile], [onerror], [onload]").count() == 0
    assert page.locator("a[href^='javascript']").count() == 0
    assert visit.faults == []

    page.locator("td").filter(visible=True).last.hover()  # the sources' table comes first
    with page.expect_download() as download:
        page.get_by_role("button", name="Télécharger").filter(visible=True).last.click()
    text = Path(download.value.path()).read_text("utf-8-sig")
    cells = [cell for row in csv.reader(text.splitlines(), delimiter=";") for cell in row]
    assert "'=cmd|' /C calc'!A0" in cells
    assert [cell for cell in cells if re.match(r"\s*[=+\-@]", cell)] == []
