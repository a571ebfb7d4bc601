"""The front of `deploy/`, started as it is installed but for its paths and ports, on loopback."""

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
SITE = "cyberimpact.example"
READER, OPERATOR = "dagster.cyberimpact.example", "exploitation.cyberimpact.example"
LECTRICE, EXPLOITANT = ("lectrice", "mot-de-passe-de-lectrice"), ("exploitant", "un autre: é")

MAIN = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/log/error.log info;
events {{}}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/temp; uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
    include {folder}/conf.d/*.conf;
}}
"""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass
class Front:
    """A running nginx; `port` speaks TLS, `plain` does not."""

    folder: Path
    port: int
    plain: int
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    @property
    def logs(self) -> Path:
        return self.folder / "log"

    def dial(self, host: str) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return self.trust.wrap_socket(plain, server_hostname=host)

    def ask(
        self,
        host: str,
        path: str,
        method: str = "GET",
        user: tuple[str, str] | None = None,
        body: bytes | None = None,
        **headers: str,
    ) -> Answer:
        """Send one request as it is written; `_` in a header's name stands for `-`."""
        connection = http.client.HTTPConnection(host)
        connection.sock = self.dial(host)
        connection._validate_path = lambda _: None  # type: ignore[attr-defined]
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, sent | authorization(user))
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, named, answer.read())
        finally:
            connection.close()

    def say(self, host: str, request: bytes) -> bytes:
        """Send bytes that no client would, and return all that comes back."""
        with self.dial(host) as wire:
            wire.sendall(request)
            heard = b""
            while part := wire.recv(65536):
                heard += part
        return heard


def authorization(user: tuple[str, str] | None) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(':'.join(user).encode()).decode()}"} if user else {}


def admit(group: Path, name: str, password: str) -> None:
    """Add an account to a group, as the guide says to."""
    group.touch()
    command = ["htpasswd", "-iB", "-C", "5", str(group), name]
    subprocess.run(command, input=password.encode(), check=True, capture_output=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(address: int | Path, process: subprocess.Popen[bytes], seconds: float = 180) -> None:
    """Wait until a port or a Unix socket answers, or fail as soon as `process` ends."""
    deadline = time.monotonic() + seconds
    while True:
        family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
        with socket.socket(family) as probe:
            if not probe.connect_ex(
                ("127.0.0.1", address) if isinstance(address, int) else str(address)
            ):
                return
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        assert time.monotonic() < deadline, f"{process.args} does not answer"
        time.sleep(0.05)


def render(source: Path, target: Path, changes: Mapping[str, str]) -> None:
    """Copy a file or a folder of `deploy/`, with its paths changed for those of the test."""
    files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
    for file in files:
        text = file.read_text("utf-8")
        for installed, here in changes.items():
            text = text.replace(installed, here)
        path = target / file.relative_to(source) if source.is_dir() else target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


@contextmanager
def front(folder: Path, data: Path, reader: int = 1, operator: int = 1) -> Iterator[Front]:
    """Run nginx before the site of `data` and the Dagsters at the ports `reader` and `operator`."""
    if NGINX is None:
        if os.environ.get("CI"):
            pytest.fail("nginx is missing: install Debian's packages nginx-light, apache2-utils")
        pytest.skip("nginx is missing")
    port, plain = free_port(), free_port()
    for name in ("log", "temp", "tls", "run"):
        (folder / name).mkdir(parents=True)
    changes = {
        "unix:/run/cyberimpact/lecture.sock": f"127.0.0.1:{reader}",
        "unix:/run/cyberimpact/ecriture.sock": f"127.0.0.1:{operator}",
        "/run/cyberimpact-nginx/": f"{folder}/run/",
        "/etc/nginx/cyberimpact/": f"{folder}/cyberimpact/",
        "/etc/cyberimpact/": f"{folder}/",
        "/var/lib/cyberimpact/": f"{data}/",
        "/var/log/nginx/": f"{folder}/log/",
        "listen 80": f"listen 127.0.0.1:{plain}",
        "listen 443": f"listen 127.0.0.1:{port}",
    }
    render(ROOT / "deploy/nginx", folder, changes)
    shutil.copy(folder / "cyberimpact/acces-basic.conf", folder / "cyberimpact/acces.conf")
    owner = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(owner + MAIN.format(folder=folder))
    groups = {"lecteurs": [LECTRICE, EXPLOITANT], "exploitants": [EXPLOITANT]}
    for group, accounts in groups.items():
        for account in accounts:
            admit(folder / f"{group}.htpasswd", *account)
    certificate, key = folder / "tls/cert.pem", folder / "tls/key.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", f"/CN={SITE}", "-addext", f"subjectAltName=DNS:{SITE},DNS:*.{SITE}"]
    command = ["openssl", "req", "-x509", *kind, *names, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    process = subprocess.Popen([NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder)])
    try:
        wait_for(port, process)
        yield Front(folder, port, plain, ssl.create_default_context(cafile=str(certificate)))
    finally:
        process.terminate()
        process.wait(10)
