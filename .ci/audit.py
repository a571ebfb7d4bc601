"""Known vulnerabilities of the packages that are locked, where their data can be reached.

A vulnerable Python package fails. Those of npm are told and do not fail: Evidence is frozen
(ADR 5), its packages run when the site is built, on our own data, and what reaches a browser is
sealed by a Content-Security-Policy. Where the data is out of reach this says so and does not fail.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PIP_AUDIT = "pip-audit==2.10.1"


def told(*command: str, folder: Path = ROOT) -> dict[str, object]:
    """Return what a command says in JSON; nothing if it says nothing that can be read."""
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
        )
        found = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def python() -> int:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)  # noqa: S603
        pip = [f"{folder}/bin/pip", "install", "-q", "--disable-pip-version-check", PIP_AUDIT]
        if subprocess.run(pip, capture_output=True, check=False).returncode:  # noqa: S603
            print("audit Python : pip-audit ne s'installe pas d'ici, rien n'a été vérifié")
            return 0
        options = ["-r", "requirements.lock", "--require-hashes", "--disable-pip", "-f", "json"]
        report = told(f"{folder}/bin/pip-audit", *options)
    packages: list[dict[str, object]] = report.get("dependencies", [])  # type: ignore[assignment]
    known = [package for package in packages if "vulns" in package]
    if not known:
        print("audit Python : données de vulnérabilité hors d'atteinte, rien n'a été vérifié")
        return 0
    vulnerable = [package for package in known if package["vulns"]]
    for package in vulnerable:
        found: list[dict[str, object]] = package["vulns"]  # type: ignore[assignment]
        print(
            f"  {package['name']} {package['version']} : {', '.join(str(v['id']) for v in found)}"
        )
    print(f"audit Python : {len(known)} paquets vérifiés, {len(vulnerable)} vulnérables")
    return len(vulnerable)


def npm() -> None:
    report = told("npm", "audit", "--json", folder=ROOT / "reports")
    metadata: dict[str, object] = report.get("metadata", {})  # type: ignore[assignment]
    if "vulnerabilities" in metadata:
        print(f"audit npm (n'arrête rien, ADR 5) : {json.dumps(metadata['vulnerabilities'])}")
    else:
        print("audit npm : données de vulnérabilité hors d'atteinte, rien n'a été vérifié")


if __name__ == "__main__":
    npm()
    sys.exit(1 if python() else 0)
