"""The program that docs/how-to/connect.md has for GitHub Apps, against a stand-in for the API that checks the signature."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs/how-to/connect.md"
TOKEN = "ghs_canary0123"


class Api:
    """Gives out a token for a request whose token is signed by `key`, and remembers the claims."""

    def __init__(self, public_key: Path) -> None:
        self.public_key = public_key
        self.claims: list[dict[str, object]] = []
        self.is_open = True
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def admits(self, path: str, header: str) -> bool:
        head, claims, signature = header.removeprefix("Bearer ").split(".")
        signed = self.public_key.with_name("signature")
        signed.write_bytes(_decoded(signature))
        words = ["openssl", "dgst", "-sha256", "-verify", self.public_key, "-signature", signed]
        done = subprocess.run(words, input=f"{head}.{claims}".encode(), capture_output=True, check=False)
        self.claims.append(json.loads(_decoded(claims)))
        return self.is_open and done.returncode == 0 and path == "/app/installations/78/access_tokens"


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, api: Api, *args: object) -> None:
        self._api = api
        super().__init__(*args)  # type: ignore[arg-type]  # as the server calls it

    def do_POST(self) -> None:
        answer = {"token": TOKEN, "expires_at": "2026-01-01T00:00:00Z", "permissions": {"contents": "read"}}
        self.send_response(201 if self._api.admits(self.path, self.headers["Authorization"]) else 401)
        self.end_headers()
        self.wfile.write(json.dumps(answer, indent=2).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name of the standard library
        pass


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    key = tmp_path / "app.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", tmp_path / "app.pub"], check=True, capture_output=True)
    made = Api(tmp_path / "app.pub")
    yield made
    made.http.shutdown()
    made.http.server_close()


def run(api: Api, folder: Path) -> subprocess.CompletedProcess[str]:
    (script,) = re.findall(r"^```sh\n(#!/bin/sh\n# github-app-token .*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    program = folder / "github-app-token"
    program.write_text(script)
    program.chmod(0o755)
    (folder / "cache").mkdir(exist_ok=True)
    words = [program, "12", "78", folder / "app.pem", folder / "cache", f"http://127.0.0.1:{api.http.server_address[1]}"]
    return subprocess.run(words, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}, check=False, timeout=120)


def test_the_program_for_github_apps_prints_credentials_and_keeps_them_to_itself(api: Api, tmp_path: Path) -> None:
    done = run(api, tmp_path)
    assert (done.returncode, done.stdout) == (0, f"username=x-access-token\npassword={TOKEN}\n"), done.stderr
    (claims,) = api.claims
    assert claims["iss"] == "12"
    assert int(str(claims["exp"])) - int(str(claims["iat"])) == 600
    assert run(api, tmp_path).stdout == done.stdout
    assert len(api.claims) == 1, "the second one came from the cache"
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.stat().st_mode & 0o077 == 0


def test_the_program_for_github_apps_fails_when_the_api_gives_nothing(api: Api, tmp_path: Path) -> None:
    api.is_open = False
    done = run(api, tmp_path)
    assert done.returncode != 0
    assert done.stdout == ""
    assert not list((tmp_path / "cache").glob("github-app-token.78"))
