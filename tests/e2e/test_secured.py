"""docs/how-to/secure-the-agent.md, followed to the letter: its commands, its agent.yaml, its Prometheus, all of them real."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.certificates import Authority
from tests.e2e.host import Document, Host, environment, free_port, never, wait_for

PAGE = Path(__file__).parents[2] / "docs/how-to/secure-the-agent.md"
MISSING = [program for program in ("prometheus", "promtool", "curl", "openssl", "htpasswd") if shutil.which(program) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {' '.join(MISSING)}")
PASSWORD = "correct horse"
EVERY, EVERY_LONG = 3, 15
"""Seconds between two scrapes of a job, and for each: more than any takes here, by far where none may be lost. More jobs make more scrapes."""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


class Site:
    """A host that follows the page, its files under `folder`."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.folder = host.folder
        self.ca = self.folder / "ca.pem"
        made = [text for text in blocks("sh") if "curl" not in text]
        assert len(made) == 6
        for text in made:
            self.follow(text)
        (self.folder / "password").write_text(PASSWORD + "\n")

    def follow(self, text: str) -> str:
        """What the commands print; where they would ask for a password they read it."""
        asked = text.replace("htpasswd -nB", "htpasswd -niB").replace(
            "openssl passwd -6", f"printf %s '{PASSWORD}' | openssl passwd -6 -stdin"
        )
        command = ["/bin/sh", "-e", "-c", self.here(asked)]
        done = subprocess.run(command, cwd=self.folder, input=PASSWORD + "\n", capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def here(self, text: str) -> str:
        moved = text.replace("/etc/torchsync", str(self.folder / "etc")).replace("/etc/prometheus/torchsync", str(self.folder))
        return moved.replace("db-01.example.org:9747", f"localhost:{self.host.port}").replace("db-01.example.org", "localhost")

    @property
    def http(self) -> Document:
        """That of the page, on loopback."""
        (text,) = [text for text in blocks("yaml") if "repository:" in text]
        return {**yaml.safe_load(self.here(text))["http"], "listen": f"127.0.0.1:{self.host.port}"}

    @property
    def job(self) -> Document:
        (text,) = [text for text in blocks("yaml") if "scrape_configs:" in text]
        (job,) = yaml.safe_load(self.here(text))["scrape_configs"]
        return dict(job)

    def curl(self, *words: str) -> str:
        command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60).stdout

    def told(self, event: str) -> list[str]:
        return [line["sentence"] for line in self.host.events() if line["event"] == event]


class Prometheus:
    def __init__(self, folder: Path, jobs: list[Document], every: int) -> None:
        config, self._port = folder / "prometheus.yml", free_port()
        times = {"scrape_interval": f"{every}s", "scrape_timeout": f"{every}s"}
        config.write_text(json.dumps({"global": times, "scrape_configs": jobs}))
        subprocess.run(["promtool", "check", "config", str(config)], check=True, capture_output=True)
        words = [f"--config.file={config}", f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{self._port}"]
        with (folder / "prometheus.log").open("wb") as log:
            self.process = subprocess.Popen(["prometheus", *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def health(self) -> dict[str, str]:
        """Of each job: `up`, `unknown`, or why it is not up."""
        try:
            found = self._get("/api/v1/targets")["activeTargets"]
        except OSError:
            return {}
        return {target["labels"]["job"]: target["lastError"] or target["health"] for target in found}

    def value(self, expression: str) -> float | None:
        found = self._get(f"/api/v1/query?query={urllib.parse.quote(expression)}")["result"]
        return float(found[0]["value"][1]) if found else None

    def scrapes(self) -> float:
        """How many there were, of all jobs."""
        return self.value("sum(count_over_time(up[5m]))") or 0

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=30) as answer:
            return json.load(answer)["data"]


@contextlib.contextmanager
def prometheus(folder: Path, *jobs: Document, every: int = EVERY) -> Iterator[Prometheus]:
    """It has tried all of them."""
    one = Prometheus(folder, list(jobs), every)
    try:
        wait_for("Prometheus to scrape", lambda: len(one.health()) == len(jobs) and "unknown" not in one.health().values())
        yield one
    finally:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def site(host: Host) -> Site:
    return Site(host)


def test_a_real_prometheus_gets_in_with_all_that_is_asked_and_not_without_any_of_it(site: Site) -> None:
    host, job = site.host, site.job
    stranger = Authority(site.folder / "stranger", "somebody else").issue("prometheus", usage="clientAuth")
    host.configure(http=site.http)
    pushed = host.tasks(t=never("true"))
    host.start()
    host.wait_for_revision(pushed)
    wait_for("TLS", lambda: shown(host.port) != "")
    tls, user = dict(job["tls_config"]), dict(job["basic_auth"])
    refused: dict[str, Document] = {
        "in plain": {**job, "scheme": "http"},
        "no CA": {**job, "tls_config": {name: tls[name] for name in ("cert_file", "key_file")}},
        "no certificate": {**job, "tls_config": {"ca_file": tls["ca_file"]}},
        "certificate of a stranger": {**job, "tls_config": {**tls, "cert_file": str(stranger.cert), "key_file": str(stranger.key)}},
        "certificate of a host": {
            **job,
            "tls_config": {**tls, "cert_file": f"{site.folder}/agent.pem", "key_file": f"{site.folder}/agent.key"},
        },
        "no password": {name: value for name, value in job.items() if name != "basic_auth"},
        "wrong password": {**job, "basic_auth": {"username": user["username"], "password": "wrong"}},
        "user of nobody": {**job, "basic_auth": {"username": "nobody", "password": PASSWORD}},
    }
    known = [job, {**job, "job_name": "another user", "basic_auth": {**user, "username": "grafana"}}]
    look_at(site, "prometheus")
    look_at(site, "grafana")
    with prometheus(site.folder, *known, *({**one, "job_name": name} for name, one in refused.items())) as one:
        up = dict.fromkeys(("torchsync", "another user"), "up")
        by_tls = dict.fromkeys(
            ("no certificate", "certificate of a stranger", "certificate of a host"), "remote error: tls|reset|broken pipe"
        )
        by_http = {"in plain": "400", "no password": "401", "wrong password": "401|429", "user of nobody": "401|429"}
        awaited = {**up, **by_tls, **by_http, "no CA": "unknown authority"}
        assert set(awaited) == {*refused, *up}
        left = dict(awaited)

        def is_told() -> bool:
            """Each was told at some time; on a slow machine a scrape may also take too long."""
            for name, health in one.health().items():
                if name in left and re.search(left[name], health):
                    del left[name]
            return not left

        wait_for("all of them to be told", is_told)
        wait_for("the sync interval", lambda: one.value('torchsync_sync_interval_seconds{job="torchsync"}') == 0.5)
    wait_for("a reason", lambda: "127.0.0.1 did not come to TLS: " in "\n".join(site.told("http_refused")))
    assert PASSWORD not in host.log.read_text()


def look_at(site: Site, user: str) -> None:
    """By curl, as the page says and otherwise."""
    (look,) = [text for text in blocks("sh") if "curl" in text]
    assert site.follow(look.replace("--user prometheus", f"--user '{user}:{PASSWORD}'")) == "ok\n"
    url = f"https://localhost:{site.host.port}/healthz"
    certified = ("--cacert", "ca.pem", "--cert", "prometheus.pem", "--key", "prometheus.key", url)
    assert site.curl(*certified) == "401"
    assert site.curl("--user", f"{user}:{PASSWORD}", *certified) == "200"
    assert site.curl("--unix-socket", str(site.host.run_folder / "control.sock"), "http://localhost/healthz") == "200"


def test_a_certificate_is_renewed_under_a_scraping_prometheus_and_no_scrape_is_lost(site: Site) -> None:
    host = site.host
    host.configure(http={name: site.http[name] for name in ("listen", "tls_cert", "tls_key")})
    host.start()
    wait_for("a certificate", lambda: shown(host.port) != "")
    before = shown(host.port)
    _, renew, install, *_ = blocks("sh")
    job = {name: value for name, value in site.job.items() if name != "basic_auth"}
    with prometheus(site.folder, *({**job, "job_name": f"job {number}"} for number in range(20)), every=EVERY_LONG) as one:
        site.follow(renew)
        shutil.copy(site.folder / "agent.pem", site.folder / "etc/tls/agent.pem")
        scrapes = one.scrapes()
        wait_for("scrapes beside half a pair", lambda: one.scrapes() > scrapes + 2)
        site.follow(install)
        wait_for("the renewal", lambda: len(site.told("http_secured")) == 2)
        wait_for("it to be shown", lambda: shown(host.port) not in ("", before))  # It is told first.
        scrapes = one.scrapes()
        wait_for("scrapes with the new pair", lambda: one.scrapes() > scrapes + 2)
        assert one.value("min(min_over_time(up[5m]))") == 1.0
        days_left = one.value("(torchsync_http_certificate_end_timestamp_seconds - time()) / 86400")
        assert days_left
        assert 364 < days_left < 366  # as the page makes it
    host.kill()
    (site.folder / "etc/tls/agent.key").write_text("damaged")
    host.start()
    wait_for("the notice", lambda: [notice["code"] for notice in host.status()["notices"]] == ["TS342"])
    assert "connections are closed until it is right" in site.told("http_not_secured")[-1]
    assert site.curl("--cacert", "ca.pem", f"https://localhost:{host.port}/healthz") == "000"


def test_with_a_word_of_the_operator_it_is_scraped_in_plain_on_an_address_that_others_can_reach(site: Site) -> None:
    host = site.host
    host.configure(http={"listen": f"0.0.0.0:{host.port}"})
    refused = check(host)
    assert (refused.returncode, "other hosts can reach" in refused.stderr) == (78, True)
    host.configure(http={"listen": f"0.0.0.0:{host.port}", "allow_plain": True})
    host.start()
    with prometheus(site.folder, {"job_name": "plain", "static_configs": [{"targets": [f"{own_address()}:{host.port}"]}]}) as one:
        wait_for("a scrape", lambda: one.health() == {"plain": "up"})


def own_address() -> str:
    """That of the way out, where there is one; else loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        with contextlib.suppress(OSError):
            probe.connect(("192.0.2.1", 9))  # Sends nothing.
        address = probe.getsockname()[0]
    return "127.0.0.1" if address == "0.0.0.0" else str(address)


def shown(port: int) -> str:
    """The serial number of the certificate that is shown; empty while nobody listens."""
    words = f"openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -serial"
    return subprocess.run(["/bin/sh", "-c", words], capture_output=True, text=True, check=False, timeout=60).stdout


def test_tls_comes_into_force_by_a_reload_and_the_check_says_what_does_not_fit(site: Site) -> None:
    host = site.host
    host.start()
    assert host.get("/healthz")[0] == 200
    host.configure(http={name: site.http[name] for name in ("listen", "tls_cert", "tls_key", "basic_auth_file")})
    assert host.torchsync("reload", "--wait").returncode == 0
    wait_for("TLS", lambda: site.curl("--cacert", "ca.pem", f"https://localhost:{host.port}/healthz") == "401")
    assert site.curl(f"http://localhost:{host.port}/healthz") == "400"
    assert check(host).returncode == 0
    (site.folder / "etc/tls/agent.key").chmod(0o644)
    (site.folder / "etc/secrets/passwords").write_text("prometheus:hunter2\n")
    done = check(host)
    assert done.returncode == 78
    assert "TS342" in done.stderr
    assert "TS344" in done.stderr
    assert "hunter2" not in done.stderr


def check(host: Host) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "torchsync", "agent", "--check", "--config", str(host.config)]
    return subprocess.run(words, capture_output=True, text=True, env=environment(), check=False, timeout=120)
