"""`deploy/` under attack: the real nginx and Dagsters, on loopback, as they are installed."""

import json
import os
import re
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.execution.asset_backfill import AssetBackfillData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.instance.ref import InstanceRef
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from front import (
    EXPLOITANT,
    LECTRICE,
    OPERATOR,
    READER,
    ROOT,
    SITE,
    Answer,
    Front,
    admit,
    authorization,
    free_port,
    front,
    render,
    wait_for,
)
from playwright.sync_api import Browser, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from orchestration.site import SECURITY

pytestmark = pytest.mark.slow

# What nobody must read: in the stores, and among the settings of the service that runs the code.
STORED = "canari-dans-un-fichier"
SECRETS = {
    name: f"canari-{index}-b7Xq"
    for index, name in enumerate(
        re.findall(r"^# (\w+(?:TOKENS?|PASSWORD|KEY))=", (ROOT / ".env.example").read_text(), re.M)
    )
}


@dataclass
class House:
    """The front, the data folder behind it, and the processes of Dagster."""

    front: Front
    data: Path
    processes: list[subprocess.Popen[bytes]]
    outputs: list[Path]

    def graphql(
        self, host: str, query: str, variables: dict[str, Any] | None = None, **headers: str
    ) -> Answer:
        user = LECTRICE if host == READER else EXPLOITANT
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        headers = {"Content_Type": "application/json"} | headers
        return self.front.ask(host, "/graphql", "POST", user, body, **headers)

    def stored(self) -> dict[str, Any]:
        """Return every row of Dagster's home."""
        rows = {}
        for path in sorted((self.data / "dagster").rglob("*.db")):
            with sqlite3.connect(path) as connection:
                for (table,) in connection.execute(
                    "select name from sqlite_master where type = 'table' order by 1"
                ).fetchall():
                    query = f'select * from "{table}"'
                    rows[f"{path.name}/{table}"] = connection.execute(query).fetchall()
        return rows


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("d")
    data = folder / "data"
    for path in ("site/_app", "site/a", "published/.staged", "published/.parquet-1", "dagster"):
        (data / path).mkdir(parents=True)
    private = ("raw.duckdb", "warehouse.duckdb", "pseudonymes.cle", "site/.cache")
    for path in (*private, "published/.staged/a.duckdb", "published/autre.txt"):
        (data / path).write_text(STORED)
    for path in ("site/index.html", "site/a/index.html", "site/404.html"):
        (data / path).write_text(f"<h1>{path}</h1>")
    (data / "site/_app/a.js").write_text("1;" * 1000)
    (data / "site/link.txt").symlink_to(data / "raw.duckdb")
    (data / "published/cyberimpact.duckdb").write_text("base")
    (data / "published/.parquet-1/fct_avis.parquet").write_text("colonnes")
    (data / "published/parquet").symlink_to(".parquet-1")
    shutil.copy(ROOT / "orchestration/dagster.yaml", data / "dagster")

    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(data / "dagster"))) as instance:
        home = GrpcServerCodeLocationOrigin(
            host="localhost", socket=str(folder / "code.sock"), location_name="cyberimpact"
        )
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(home, "__repository__"), "land_all")
        started = dg.DagsterRunStatus.STARTED
        instance.add_run(dg.DagsterRun("land_all", RUN, status=started, remote_job_origin=origin))
        mart = dg.AssetKey(["marts", "fct_avis"])
        for backfill, status in BACKFILLS.items():
            instance.add_backfill(
                PartitionBackfill(
                    backfill_id=backfill,
                    status=status,
                    from_failure=False,
                    tags={},
                    backfill_timestamp=0.0,
                    asset_selection=[mart],
                    asset_backfill_data=AssetBackfillData.empty(
                        AssetGraphSubset(non_partitioned_asset_keys={mart}), 0.0, instance
                    ),
                )
            )
    reader, operator = free_port(), free_port()
    render(ROOT / "deploy/workspace.yaml", folder / "w.yaml", {"/run/cyberimpact/": f"{folder}/"})
    environment = os.environ | {
        "CYBERIMPACT_DATA": str(data),
        "DAGSTER_HOME": str(data / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
    }
    python, workspace = [sys.executable, "-m"], str(folder / "w.yaml")
    web = [*python, "dagster_webserver", "-h", "127.0.0.1", "-w", workspace, "-p"]
    code = [*python, "dagster", "api", "grpc", "-m", "orchestration.definitions", "-d", str(ROOT)]
    commands = {
        "code": [*code, "--socket", str(folder / "code.sock")],
        "reader": [*web, str(reader), "--read-only"],
        "operator": [*web, str(operator)],
    }
    told = House(None, data, [], [])  # type: ignore[arg-type]
    with ExitStack() as stack:
        for name, address in (
            ("code", folder / "code.sock"),
            ("reader", reader),
            ("operator", operator),
        ):
            output = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                commands[name],
                cwd=ROOT,
                env=environment | (SECRETS if name == "code" else {}),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            told.processes.append(process)
            told.outputs.append(folder / f"{name}.log")
            if name != "reader":  # both interfaces start side by side
                wait_for(address, process)
        wait_for(reader, told.processes[1])
        told.front = stack.enter_context(front(folder / "front", data, reader, operator))
        yield told


# --- who comes in

ROUTES = {
    SITE: (
        *("/", "/a/", "/_app/a.js", "/404.html", "/rien", "/publication/cyberimpact.duckdb"),
        *("/publication/parquet/fct_avis.parquet", "/_identite", "/lecteurs", "/.cache"),
    ),
    READER: (
        *("/", "/graphql", "/server_info", "/dagit_info", "/logs/a/b/out", "/favicon.ico"),
        *("/report_asset_materialization/a", "/download_debug/a", "/notebook", "/runs"),
        "/_identite",
    ),
}
ROUTES[OPERATOR] = ROUTES[READER]
# Refused to everybody, before it is asked who comes.
CLOSED = {"/404.html", "/.cache", "/graphql", "/notebook", "/download_debug/a", "/_identite"}
CLOSED |= {"/report_asset_materialization/a"}


@pytest.mark.parametrize(
    "credentials",
    [
        None,
        "Basic",
        "Basic !!!",
        "Basic OjpvOg==",
        "Bearer abc",
        "Basic bGVjdHJpY2U6",  # lectrice and no password
        "Basic bGVjdHJpY2UAOm1vdC1kZS1wYXNzZS1kZS1sZWN0cmljZQ==",  # a NUL after the name
    ],
)
def test_no_route_opens_without_a_password(house: House, credentials: str | None) -> None:
    headers = {"Authorization": credentials} if credentials else {}
    for host, paths in ROUTES.items():
        for path in paths if credentials is None else paths[:2]:
            answer = house.front.ask(host, path, **headers)
            assert answer.status in (401, 403, 404, 405), (host, path, answer.status)
            assert answer.status == 401 or credentials or path in CLOSED, path
            assert not {"<h1>site/index.html</h1>", "base", "dagster"} & set(answer.text.split())


def test_each_group_has_its_doors(house: House) -> None:
    for host, user, status in (
        (SITE, LECTRICE, 200),
        (READER, LECTRICE, 200),
        (OPERATOR, LECTRICE, 401),
        (SITE, EXPLOITANT, 200),
        (READER, EXPLOITANT, 200),
        (OPERATOR, EXPLOITANT, 200),
    ):
        assert house.front.ask(host, "/", user=user).status == status, (host, user)


def test_a_password_cannot_be_searched_for(house: House) -> None:
    ask, password = house.front.ask, ("devinee", "le-bon-mot")
    admit(house.front.folder / "lecteurs.htpasswd", *password)
    tries = [ask(SITE, "/", user=("devinee", f"essai {n}")).status for n in range(20)]
    assert tries[0] == 401 and tries[-1] == 403
    assert ask(SITE, "/", user=password).status == 403, "the right guess must not be told"
    assert ask(SITE, "/", user=LECTRICE).status == 200, "others must not be shut out"
    assert ask(SITE, "/").status == 401, "a browser that has not asked yet is not counted"


def test_a_reader_who_is_known_is_never_slowed(house: House) -> None:
    answers = [house.front.ask(SITE, "/a/", user=LECTRICE).status for _ in range(60)]
    assert answers == [200] * 60


# --- what may be asked

HIDDEN = [
    *("/../raw.duckdb", "/%2e%2e/raw.duckdb", "/..%2fraw.duckdb", "/%2e%2e%2fraw.duckdb"),
    *("/%252e%252e/raw.duckdb", "/..%5craw.duckdb", "/..%c0%afraw.duckdb", "/..;/raw.duckdb"),
    *("/....//raw.duckdb", "//../raw.duckdb", "/a/../../raw.duckdb", "/a/%2e%2e/%2e%2e/raw.duckdb"),
    *("/raw.duckdb", "/link.txt", "/.cache", "/%2ecache", "/_app/..%00/raw.duckdb"),
    *("/publication/../raw.duckdb", "/publication/%2e%2e/raw.duckdb", "/publication/autre.txt"),
    *("/publication/.staged/a.duckdb", "/publication/parquet/../autre.txt"),
    *("/publication/parquet/..%2f..%2fraw.duckdb", "/publication/.parquet-1/fct_avis.parquet"),
    *("/publication/parquet%2f..%2f.staged%2fa.duckdb", "/publication/cyberimpact.duckdb/"),
    *("/publication../raw.duckdb", "/dagster/dagster.yaml", "/publication/parquet/"),
    *("/publication/", "/_app/", "/_app"),
]


def test_files_that_are_not_published_cannot_be_reached(house: House) -> None:
    for path in HIDDEN:
        answer = house.front.ask(SITE, path, user=LECTRICE)
        assert answer.status in (301, 400, 403, 404), (path, answer.status)
        assert STORED not in answer.text
        assert "Index of" not in answer.text
    for root in ("/logs", "/static", "/vendor", ""):
        for up in ("../" * 8, "%2e%2e/" * 8, "..%2f" * 8, "%2e%2e%2f" * 8, "..%5c" * 8):
            answer = house.front.ask(READER, f"{root}/{up}{house.data}/raw.duckdb", user=LECTRICE)
            assert STORED not in answer.text


def test_what_is_published_is_given_whole_and_in_parts(house: House) -> None:
    ask = house.front.ask
    assert ask(SITE, "/publication/cyberimpact.duckdb", user=LECTRICE).body == b"base"
    parquet = "/publication/parquet/fct_avis.parquet"
    answer = ask(SITE, parquet, user=LECTRICE, Range="bytes=3-5", Accept_Encoding="gzip")
    assert (answer.status, answer.body) == (206, b"onn")
    assert ask(SITE, "/_app/a.js", user=LECTRICE, Accept_Encoding="gzip").headers[
        "content-encoding"
    ] == ("gzip")
    assert "404.html" in ask(SITE, "/rien", user=LECTRICE).text


@pytest.mark.parametrize("host", [SITE, READER, OPERATOR])
def test_only_reading_methods_pass(house: House, host: str) -> None:
    for method in (
        "TRACE",
        "PUT",
        "DELETE",
        "PATCH",
        "OPTIONS",
        "PROPFIND",
        "MKCOL",
        "POST",
        "get",
    ):
        answer = house.front.ask(host, "/", method, EXPLOITANT, b"a=1")
        assert answer.status in (400, 405), (method, answer.status)
    for name in ("X_HTTP_Method_Override", "X_HTTP_Method", "X_Method_Override"):
        overridden = house.front.ask(host, "/", user=EXPLOITANT, **{name: "DELETE"})
        assert overridden.status == 200
        assert overridden.text[:30] == house.front.ask(host, "/", user=EXPLOITANT).text[:30]


def test_two_requests_cannot_be_passed_as_one(house: House) -> None:
    smuggled = "GET /passee HTTP/1.1\r\nHost: x\r\n\r\n"
    for head, body in (
        (f"Content-Length: {len(smuggled)}\r\nTransfer-Encoding: chunked", f"0\r\n\r\n{smuggled}"),
        ("Content-Length: 0\r\nContent-Length: 34", smuggled),
        ("Content-Length: 5, 6", smuggled),
        ("Content-Length: -1", smuggled),
        ("Content-Length: +5", smuggled),
        ("Transfer-Encoding: chunked, identity", f"0\r\n\r\n{smuggled}"),
        ("Transfer-Encoding: xchunked", f"0\r\n\r\n{smuggled}"),
        ("Transfer-Encoding: chunked", f"zz\r\n{smuggled}"),
        ("Transfer-Encoding : chunked", f"0\r\n\r\n{smuggled}"),
        ("A: b\r\n Transfer-Encoding: chunked", f"0\r\n\r\n{smuggled}"),
    ):
        request = f"POST /graphql HTTP/1.1\r\nHost: {READER}\r\n{head}\r\n\r\n{body}"
        heard = house.front.say(READER, request.encode())
        assert re.findall(rb"HTTP/1\.\d (\d+)", heard)[:1] in ([b"400"], [b"501"], [b"405"]), head
    assert "passee" not in (house.front.logs / "cyberimpact.log").read_text()


def test_nobody_answers_to_another_name(house: House) -> None:
    with pytest.raises(ssl.SSLError):
        house.front.ask("ailleurs.example", "/", user=LECTRICE)
    for line in (
        "GET / HTTP/1.1\r\nHost: ailleurs.example",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1",
        f"GET http://ailleurs.example/ HTTP/1.1\r\nHost: {SITE}",
    ):
        assert house.front.say(SITE, f"{line}\r\n\r\n".encode()) == b"", line
    assert b" 400 " in house.front.say(SITE, b"GET / HTTP/1.1\r\n\r\n")
    assert b" 400 " in house.front.say(SITE, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    moved = house.front.ask(SITE, "/a", user=LECTRICE, X_Forwarded_Host="ailleurs.example")
    assert (moved.status, moved.headers["location"]) == (301, "/a/")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_without_tls_nothing_is_told_but_where_to_go(house: House) -> None:
    def plain(host: str) -> bytes:
        with socket.create_connection(("127.0.0.1", house.front.plain), timeout=5) as wire:
            wire.sendall(f"GET /a/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            return wire.recv(65536)

    assert f"Location: https://{READER}/a/".encode() in plain(READER)
    assert plain("ailleurs.example") == b""
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        old = ssl.create_default_context(cafile=str(house.front.folder / "tls/cert.pem"))
        old.minimum_version = old.maximum_version = version
        with pytest.raises((ssl.SSLError, ValueError)):
            Front(house.front.folder, house.front.port, 0, old).dial(SITE)


def test_what_is_too_large_is_refused(house: House) -> None:
    ask = house.front.ask
    with house.front.dial(READER) as wire:
        head = f"POST /graphql HTTP/1.1\r\nHost: {READER}\r\nContent-Type: application/json\r\n"
        wire.sendall(f"{head}Content-Length: 2000000\r\n\r\n".encode())
        assert wire.recv(1000).startswith(b"HTTP/1.1 413")
    assert ask(SITE, "/" + "a" * 20_000, user=LECTRICE).status == 414
    assert ask(SITE, "/", user=LECTRICE, A="a" * 20_000).status == 400
    assert ask(SITE, "/", user=LECTRICE, **{f"A{n}": "a" * 900 for n in range(60)}).status == 400


def test_every_answer_bears_the_headers_of_the_site(house: House) -> None:
    wanted = SECURITY | {"strict-transport-security": "max-age=31536000; includeSubDomains"}
    for path, user in (
        ("/", LECTRICE),
        ("/", None),
        ("/rien", LECTRICE),
        ("/publication/cyberimpact.duckdb", LECTRICE),
    ):
        headers = house.front.ask(SITE, path, user=user).headers
        assert {name: headers.get(name) for name in wanted} == wanted, path
        assert headers["server"] == "nginx"
    for host in (READER, OPERATOR):
        headers = house.front.ask(host, "/", user=EXPLOITANT).headers
        assert headers["strict-transport-security"] == wanted["strict-transport-security"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "x-dagster-call-counts" not in headers


# --- the read-only Dagster

# The telemetry that dagster.yaml turns off, and a tip that is shown once: they act on no run.
HARMLESS = {"logTelemetry", "setNuxSeen"}
RUN = "0f1e2d3c-0000-4000-8000-000000000001"
BACKFILLS = {"encours": BulkActionStatus.REQUESTED, "echoue": BulkActionStatus.FAILED}

INTROSPECTION = """
{ __schema {
    mutationType { fields { name args { name type { ...t } } type { ...t } } }
    types {
        name kind inputFields { name type { ...t } } enumValues { name } possibleTypes { name }
    }
} }
fragment t on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }
"""
IDS = """
{ repositoryOrError(
    repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "cyberimpact"}
) { ... on Repository { sensors { sensorState { id } } schedules { scheduleState { id } } } } }
"""
KNOWN = {
    "repositoryLocationName": "cyberimpact",
    "repositoryName": "__repository__",
    "pipelineName": "land_all",
    "jobName": "land_all",
    "scheduleName": "daily_refresh_all",
    "sensorName": "dead_runs_are_closed",
    "runId": RUN,
    "runIds": RUN,
    "parentRunId": RUN,
    "backfillId": "encours",
}
# What the types do not tell: one of two arguments, or one that must exist.
TOLD = {
    "launchPipelineReexecution": f'reexecutionParams: {{parentRunId: "{RUN}" strategy: ALL_STEPS}}',
    "launchPartitionBackfill": 'backfillParams: {assetSelection: [{path: ["marts", "fct_avis"]}]}',
    "reexecutePartitionBackfill": 'reexecutionParams: {parentRunId: "echoue" strategy: ALL_STEPS}',
}
TOLD["launchRunReexecution"] = TOLD["launchPipelineReexecution"]
# What an answer says of a refusal, beside the name of its type.
SAID = {
    "PythonError": "message",
    "TerminateRunFailure": "message",
    "TerminateRunsResult": "terminateRunResults { ... on TerminateRunFailure { message } }",
    "LaunchMultipleRunsResult": "launchMultipleRunsResult { __typename }",
}
REFUSED = re.compile("UnauthorizedError|You do not have permission")


def mutations(house: House) -> dict[str, str]:
    """Return every mutation of Dagster's schema, with arguments that its types accept."""
    schema = json.loads(house.graphql(READER, INTROSPECTION).text)["data"]["__schema"]
    types = {one["name"]: one for one in schema["types"]}

    def value(name: str, kind: dict[str, Any]) -> str:
        match kind["kind"]:
            case "NON_NULL":
                return value(name, kind["ofType"])
            case "LIST":
                return f"[{value(name, kind['ofType'])}]"
            case "ENUM":
                return str(types[kind["name"]]["enumValues"][0]["name"])
            case "INPUT_OBJECT":
                inner = types[kind["name"]]["inputFields"]
                return "{" + arguments(inner, KNOWN) + "}"
        plain = {"Int": "1", "Float": "1", "Boolean": "false"}
        return plain.get(kind["name"], json.dumps(KNOWN.get(name, "a")))

    (sensor, schedule) = (
        json.loads(house.graphql(READER, IDS).text)["data"]["repositoryOrError"][each][0]
        for each in ("sensors", "schedules")
    )
    told = TOLD | {
        "stopSensor": f'id: "{sensor["sensorState"]["id"]}"',
        "stopRunningSchedule": f'id: "{schedule["scheduleState"]["id"]}"',
    }

    def arguments(fields: list[dict[str, Any]], wanted: Collection[str]) -> str:
        return " ".join(
            f"{one['name']}: {value(one['name'], one['type'])}"
            for one in fields
            if one["type"]["kind"] == "NON_NULL" or one["name"] in wanted
        )

    found = {}
    for one in schema["mutationType"]["fields"]:
        every = [argument["name"] for argument in one["args"]]
        given, kind = told.get(one["name"]) or arguments(one["args"], every), one["type"]
        while kind["ofType"]:
            kind = kind["ofType"]
        kinds = [answer["name"] for answer in types[kind["name"]]["possibleTypes"] or []]
        answered = [f"... on {name} {{ {said} }}" for name, said in SAID.items() if name in kinds]
        inner = "" if kind["kind"] == "SCALAR" else f" {{ __typename {' '.join(answered)} }}"
        found[one["name"]] = f"mutation {{ {one['name']}{f'({given})' if given else ''}{inner} }}"
    return found


def test_the_reader_changes_nothing(house: House) -> None:
    before = house.stored()
    every = mutations(house)
    assert {"launchRun", "terminateRun", "wipeAssets", "reloadWorkspace"} < set(every)
    for name, query in every.items():
        answer = house.graphql(READER, query)
        assert name in HARMLESS or REFUSED.search(answer.text), (name, answer.text)
    assert house.stored() == before

    limit = 'mutation { setConcurrencyLimit(concurrencyKey: "essai" limit: 1) }'
    assert house.graphql(OPERATOR, limit).status == 200
    assert house.stored() != before, "nothing was proven"


LAUNCH = """
mutation { launchRun(executionParams: {runConfigData: "{}" selector: {pipelineName: "land_all"
  repositoryName: "__repository__" repositoryLocationName: "cyberimpact"}}) { __typename } }
"""


@pytest.mark.parametrize("host", [READER, OPERATOR])
def test_a_mutation_passes_by_no_other_way(house: House, host: str) -> None:
    """What a page of another site can have a browser send is refused to the operator too."""
    before, path = house.stored(), f"/graphql?query={quote(LAUNCH)}"
    ask = house.front.ask
    assert ask(host, path, user=EXPLOITANT).status == 405
    assert ask(host, path, user=EXPLOITANT, Upgrade="h2c", Connection="Upgrade").status == 405
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        assert ask(host, path, "POST", EXPLOITANT, b"", Content_Type=kind).status == 405, kind
    assert ask(host, path + "&a=/graphql", "POST", EXPLOITANT).status == 405
    assert (
        ask(host, "/graphql", "POST", EXPLOITANT, Content_Type="application/graphql").status == 405
    )
    for foreign in (
        {"Origin": "https://ailleurs.example"},
        {"Origin": f"https://{SITE}"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": f"https://{host}"},
    ):
        assert house.graphql(host, LAUNCH, **foreign).status == 403, foreign
    for path in ("report_asset_materialization/a", "report_asset_check/a", "graphql/", "GRAPHQL"):
        answer = ask(host, f"/{path}", "POST", EXPLOITANT, b"{}", Content_Type="application/json")
        assert answer.status in (404, 405)
    assert house.stored() == before
    own = f"https://{host}"
    read = house.graphql(host, "{ version }", Origin=own, Sec_Fetch_Site="same-origin")
    assert read.status == 200, "nothing was proven"


def talk(house: House, host: str, query: str, **headers: str) -> list[Any]:
    """Send a query to Dagster's websocket, and return the payloads that come back."""
    with (
        socket.create_connection(("127.0.0.1", house.front.port)) as wire,
        connect(
            f"wss://{host}/graphql",
            sock=wire,
            ssl=house.front.trust,
            server_hostname=host,
            subprotocols=["graphql-ws"],  # type: ignore[list-item]
            additional_headers=authorization(LECTRICE if host == READER else EXPLOITANT) | headers,
        ) as socket_,
    ):
        socket_.send(json.dumps({"type": "connection_init"}))
        socket_.send(json.dumps({"type": "start", "id": "1", "payload": {"query": query}}))
        heard: list[Any] = []
        try:
            while not heard or heard[-1]["type"] not in ("error", "complete"):
                heard.append(json.loads(socket_.recv(timeout=1)))
                if heard[-1]["type"] == "data":
                    break
        except TimeoutError:
            pass
        return heard


def test_the_websocket_tells_what_happens_and_takes_no_order(house: House) -> None:
    before = house.stored()
    for host in (READER, OPERATOR):
        told = talk(house, host, "subscription { locationStateChangeEvents { event { message } } }")
        assert told[0]["type"] == "connection_ack"
        refused = talk(house, host, LAUNCH)
        assert "LaunchRunSuccess" not in json.dumps(refused), refused
        with pytest.raises(InvalidStatus, match="403"):
            talk(house, host, LAUNCH, Origin="https://ailleurs.example")
    assert house.stored() == before


@pytest.mark.browser
@pytest.mark.parametrize("host", [READER, OPERATOR])
def test_dagster_shows_its_pages_under_our_policy(
    chromium: Browser, house: House, host: str
) -> None:
    name, password = LECTRICE if host == READER else EXPLOITANT
    faults: list[str] = []
    context = chromium.new_context(
        ignore_https_errors=True,
        http_credentials={"username": name, "password": password, "send": "always"},
    )
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda said: faults.append(said.text) if "Security Policy" in said.text else None,
    )
    page.on("response", lambda got: faults.append(got.url) if got.status in (403, 405) else None)
    page.goto(f"https://{host}:{house.front.port}/jobs")
    expect(page.get_by_text("refresh_all").first).to_be_visible(timeout=20_000)
    page.goto(f"https://{host}:{house.front.port}/runs/{RUN}")
    expect(page.get_by_text("land_all").first).to_be_visible(timeout=20_000)
    context.close()
    assert faults == []


# --- secrets

WHERE_A_SETTING_MIGHT_SHOW = """
{
  instance { info executablePath daemonHealth { id } runLauncher { name } hasInfo }
  workspaceOrError { ... on Workspace { locationEntries {
    name displayMetadata { key value }
    locationOrLoadError {
      ... on RepositoryLocation {
        environmentPath
        repositories {
          name
          pipelines { name modes { resources { name configField { defaultValueAsJson } } } }
          allTopLevelResourceDetails { name configuredValues { key value type } }
          sensors { name } schedules { name }
        }
      }
      ... on PythonError { message stack }
    }
  } } }
  runConfigSchemaOrError(selector: {pipelineName: "refresh_all", repositoryName: "__repository__",
    repositoryLocationName: "cyberimpact"}) {
    ... on RunConfigSchema { rootDefaultYaml allConfigTypes { key description } }
  }
  assetNodes {
    assetKey { path } description groupName kinds
    metadataEntries { label description ... on UrlMetadataEntry { url }
      ... on TextMetadataEntry { text } ... on JsonMetadataEntry { jsonString } }
    op { name description metadata { key value } }
  }
}
"""


def test_no_secret_is_shown(house: House) -> None:
    assert len(SECRETS) > 8
    running = house.processes[0].pid
    assert SECRETS.popitem()[1].encode() in Path(f"/proc/{running}/environ").read_bytes()
    secrets = re.compile("|".join([*SECRETS.values(), STORED, LECTRICE[1], EXPLOITANT[1]]))
    secrets_sent = re.compile(
        "|".join(each["Authorization"] for each in map(authorization, (LECTRICE, EXPLOITANT)))
    )
    shown = house.graphql(OPERATOR, WHERE_A_SETTING_MIGHT_SHOW)
    assert shown.status == 200, shown.text[:2000]
    assert "jedonnemonavis" in shown.text and len(shown.text) > 50_000, "nothing was looked at"
    assert not secrets.search(shown.text)
    for broken in (
        '{ runOrError(runId: "a") { __typename } ',
        "{ rien }",
        "mutation { launchRun }",
    ):
        assert not secrets.search(house.graphql(OPERATOR, broken).text)
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not secrets.search(b" ".join(commands).decode("utf-8", "replace"))
    written = [*house.outputs, *house.front.logs.iterdir()]
    written += [path for path in (house.data / "dagster").rglob("*") if path.is_file()]
    for path in written:
        text = path.read_bytes().decode("utf-8", "replace")
        assert not secrets.search(text) and not secrets_sent.search(text), path


# --- services


def test_services_are_well_formed_and_shut_in(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is missing")
    installed = {"/opt/cyberimpact/.venv/bin": str(Path(sys.executable).parent)}
    render(ROOT / "deploy/systemd", tmp_path, installed)
    for instance in ("lecture", "ecriture"):
        for kind in ("service", "socket"):
            shutil.copy(
                tmp_path / f"cyberimpact-acces@.{kind}",
                tmp_path / f"cyberimpact-acces@{instance}.{kind}",
            )
    units = sorted(str(path) for path in tmp_path.glob("cyberimpact-*") if "@." not in path.name)
    assert len(units) == 13
    verify = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units]
    outcome = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert [line for line in outcome.stderr.splitlines() if "cyberimpact" in line] == []
    for unit in units:
        if unit.endswith(".service"):
            command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", unit]
            assert subprocess.run(command, capture_output=True, check=False).returncode == 0, unit
