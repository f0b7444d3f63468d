"""The examples of systemd and Kubernetes."""

from __future__ import annotations

import configparser
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.packaging.tools import REPOSITORY, run, tool

pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]

UNIT = REPOSITORY / "deploy" / "systemd" / "tokentape.service"
KUBERNETES = REPOSITORY / "deploy" / "kubernetes" / "tokentape.yaml"


def started(command: list[str], **environment: str) -> tuple[subprocess.Popen[str], str]:
    """A running server, and its URL."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    while not process.stdout.readline().startswith("Ctrl-C"):
        pass
    return process, url


def test_the_unit_of_systemd(tmp_path: Path) -> None:
    """systemd accepts the unit; what it starts serves the rules, and ends at SIGTERM as systemd ends it."""
    analyze = shutil.which("systemd-analyze")
    text = UNIT.read_text().replace("/opt/tokentape/bin/tokentape", f"{sys.prefix}/bin/tokentape")
    unit = tmp_path / UNIT.name
    unit.write_text(text)
    if analyze is not None:
        assert run([analyze, "verify", str(unit)]) == ""
        unit.write_text(text.replace("DynamicUser", "DynamikUser"))
        assert "Unknown key" in run([analyze, "verify", str(unit)])
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "tokentape.yaml").write_text("rules:\n- {contains: hi, scripts: [Hello]}\n")
    command = shlex.split(
        parser["Service"]["ExecStart"].replace("8089", "0").replace("/etc/tokentape/rules", str(rules))
    )
    process, url = started(command)
    with process:
        assert httpx2.get(f"{url}/ready").json()["status"] == "ready"
        process.terminate()
        assert process.wait(30) == 0


def manifests() -> list[dict[str, Any]]:
    """The documents of the example."""
    return list(yaml.safe_load_all(KUBERNETES.read_text()))


def test_kubernetes_accepts_the_example(tmp_path: Path) -> None:
    """Each document has the form of its kind, strictly, in the oldest and the newest version that the tool knows."""
    for version in ("1.30", "1.37"):
        run([tool("kubernetes-validate"), "--strict", "--kubernetes-version", version, str(KUBERNETES)])
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(KUBERNETES.read_text().replace("periodSeconds", "periodSecond"))
    run([tool("kubernetes-validate"), "--strict", str(wrong)], code=1)


def test_services_reach_what_they_name() -> None:
    """Each service selects the pods of a deployment, and each named port is one of theirs."""
    by_name = {(one["kind"], one["metadata"]["name"]): one for one in manifests()}
    for (kind, name), service in by_name.items():
        if kind == "Service":
            deployment = by_name["Deployment", name]
            assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= {p["name"] for p in container["ports"]}
    environment = by_name["Deployment", "tokentape"]["spec"]["template"]["spec"]["containers"][0]["env"]
    (store,) = [one["value"] for one in environment if one["name"] == "TOKENTAPE_STORE"]
    assert ("Service", store.split("//")[1].partition(":")[0]) in by_name


def test_its_probes_answer_while_the_store_is_lost() -> None:
    """Its liveness probe is the route that answers without the store, its readiness probe the one that does not."""
    (container,) = manifests()[0]["spec"]["template"]["spec"]["containers"]
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert probes == {"startup": "/health", "liveness": "/health", "readiness": "/ready"}
    # That these routes do so: tests/fake_provider/redis_store/test_store_failures.py, the store is lost.


def test_rules_of_a_config_map_are_read_once_and_again(tmp_path: Path) -> None:
    """A mounted ConfigMap is served once, through its links, and again when Kubernetes exchanges them."""

    def publish(number: int, text: str) -> None:
        folder = tmp_path / f"..{number}"
        folder.mkdir()
        (folder / "tokentape.yaml").write_text(f"rules:\n- {{contains: hi, scripts: [{text}]}}\n")
        (tmp_path / "..data_tmp").symlink_to(folder.name)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")

    publish(1, "One")
    (tmp_path / "tokentape.yaml").symlink_to("..data/tokentape.yaml")
    serve = [sys.executable, "-m", "tokentape", "serve", "--quiet", "--port", "0", str(tmp_path)]
    process, url = started(serve)

    def answer() -> str:
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        text: str = httpx2.post(f"{url}/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]
        return text

    with process:
        try:
            assert answer() == "One"
            assert len(httpx2.get(f"{url}/_tokentape/sessions/default/rules").json()["rules"]) == 1
            publish(2, "Two")
            while answer() != "Two":
                pass
        finally:
            process.terminate()
