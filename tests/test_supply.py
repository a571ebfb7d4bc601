"""What is brought in is locked by digest, and what goes out holds no secret."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What only a secret looks like. Written so that this file does not look like one.
SECRET = re.compile(
    r"-----BEGIN (?:RSA |EC |OPENSSH |PGP )?PRIVATE KEY"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bgh[pousr]_[0-9A-Za-z]{36}\b|\bgithub_pat_\w{40}"
    r"|\bglpat-[\w-]{20}\b|\bxox[abprs]-[\w-]{20}"
    r"|\bAIza[\w-]{35}\b|\bya29\.[\w-]{20}"
    r"|\beyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{15,}"
    r"|\$(?:2[aby]|apr1|6)\$[./\w$]{20}"
    r"|(?:TOKENS?|PASSWORD|_KEY|SECRET)=(?!\$)[^\s#'\"`)|]{12}"
    r"|://[^/\s:@{}<>$]{2,}:[^/\s@{}<>$]{6,}@(?![\w.-]*ex[ae]mple)[\w-]+\.[a-z]{2}"
)
PRIVATE = re.compile(r"(^|/)\.env$|secrets\.toml$|\.(pem|key|cle|htpasswd|duckdb|parquet|db)$")


def tracked() -> list[str]:
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git work tree")
    return [name for name in listed.stdout.split("\0") if name]


def test_no_secret_is_in_what_is_committed() -> None:
    names = tracked()
    assert len(names) > 100
    assert [name for name in names if PRIVATE.search(name)] == []
    found = [
        f"{name} : {match.group()[:12]}…"
        for name in names
        if (ROOT / name).is_file()
        for match in SECRET.finditer((ROOT / name).read_bytes().decode("utf-8", "replace"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN " + "PRIVATE KEY-----",
        "AKIA" + "ABCDEFGHIJKLMNOP",
        "SOURCES__X__TOKEN=" + "abcdefghijklmnop",
        "lectrice:$2y$" + "05$abcdefghijklmnopqrstu",
        "mailto://alerte:" + "motdepasse@mail.fr",
    ],
)
def test_a_secret_would_be_seen(secret: str) -> None:
    assert SECRET.search(secret)


def test_every_package_is_locked_by_digest() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    packages = re.findall(r"^[a-z0-9][\w.\[\]-]*==\S+.*?(?=^\S|\Z)", lock, re.M | re.S)
    assert len(packages) > 100
    assert [package[:40] for package in packages if "--hash=sha256:" not in package] == []
    npm = json.loads((ROOT / "reports/package-lock.json").read_text("utf-8"))["packages"]
    fetched = {name: told for name, told in npm.items() if name and not told.get("inBundle")}
    assert [name for name, told in fetched.items() if "integrity" not in told] == []
