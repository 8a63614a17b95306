"""What the image, compose and the lock refer to is there. None of them is built here."""

from __future__ import annotations

import re
import shlex
from itertools import chain
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed (group dev)")
tomllib = pytest.importorskip("tomllib", reason="Python before 3.11 reads no TOML")

ENGINE = Path(__file__).resolve().parent.parent
LOCK = ENGINE / "uv.lock"
LOCKED_HOSTS = {"https://pypi.org", "https://files.pythonhosted.org"}


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Name and rest of each, comments left out and lines joined."""
    lines = dockerfile.read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined) if name]


def copied(dockerfile: Path) -> set[str]:
    """What it takes from the build context."""
    words = [shlex.split(rest) for name, rest in instructions(dockerfile) if name == "COPY"]
    return {source for line in words if not line[0].startswith("--from") for source in line[:-1]}


def services() -> dict:
    return yaml.safe_load((ENGINE / "compose.yaml").read_text("utf-8"))["services"]


def test_the_image_has_all_of_the_engine_and_no_more() -> None:
    code = {path.name for path in ENGINE.glob("*.py")}
    packages = {
        path.name
        for path in ENGINE.iterdir()
        if path.is_dir() and path.name != "tests" and list(path.glob("*.py"))
    }
    assert copied(ENGINE / "Dockerfile") == code | packages | {"pyproject.toml", "uv.lock"}


def test_the_image_runs_the_server_as_a_user_of_its_own() -> None:
    steps = instructions(ENGINE / "Dockerfile")
    of = {name: rest for name, rest in steps}
    assert of["USER"] == "engine"
    assert of["VOLUME"] == "/data"
    assert of["CMD"] == '["python", "server.py"]'
    assert "/healthz" in of["HEALTHCHECK"]
    environment = dict(pair.split("=", 1) for pair in shlex.split(of["ENV"]))
    assert environment["ENGINE_DATA_DIR"] == "/data"
    # a base image without a version is another one tomorrow
    images = [rest.split()[0] for name, rest in steps if name == "FROM"]
    assert images == ["nvidia/cuda:${CUDA}-base-ubuntu24.04"] * 2
    assert re.fullmatch(r"CUDA=\d+\.\d+\.\d+", next(rest for name, rest in steps if name == "ARG"))


def test_compose_builds_what_is_there() -> None:
    for name, service in services().items():
        build = service["build"]
        context = ENGINE / (build if isinstance(build, str) else build["context"])
        assert (context / "Dockerfile").is_file(), name
        arguments = [] if isinstance(build, str) else build["args"]
        known = {
            rest.partition("=")[0]
            for step, rest in instructions(context / "Dockerfile")
            if step == "ARG"
        }
        assert set(arguments) <= known


def test_compose_joins_proxy_and_engine() -> None:
    engine, proxy = services()["engine"], services()["proxy"]
    assert proxy["environment"]["ENGINE"] == "http"
    assert proxy["environment"]["ENGINE_URL"] == "http://engine:8000/v1"
    tokens = {service["environment"]["ENGINE_TOKEN"] for service in (engine, proxy)}
    assert len(tokens) == 1
    # without a token nothing starts
    assert tokens.pop().startswith("${ENGINE_TOKEN:?")
    devices = engine["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    assert "ports" not in engine
    assert all("healthcheck" in service for service in (engine, proxy))


def test_compose_declares_its_volumes() -> None:
    file = yaml.safe_load((ENGINE / "compose.yaml").read_text("utf-8"))
    mounted = {
        volume.split(":")[0] for service in services().values() for volume in service["volumes"]
    }
    assert {name for name in mounted if not name.startswith("$")} == set(file["volumes"])


def test_the_lock_names_pypi_alone() -> None:
    assert set(re.findall(r"https?://[^/\"]+", LOCK.read_text("utf-8"))) == LOCKED_HOSTS


def test_the_lock_is_of_these_dependencies() -> None:
    """`uv lock` writes it anew."""
    project = tomllib.loads((ENGINE / "pyproject.toml").read_text("utf-8"))
    packages = tomllib.loads(LOCK.read_text("utf-8"))["package"]
    own = next(one for one in packages if one["name"] == project["project"]["name"])
    locked = own["metadata"]
    extras = project["project"]["optional-dependencies"].values()
    dependencies = [*project["project"]["dependencies"], *chain.from_iterable(extras)]
    assert named(locked["requires-dist"]) == required(dependencies)
    groups = {name: named(entries) for name, entries in locked["requires-dev"].items()}
    wanted = {name: required(texts) for name, texts in project["dependency-groups"].items()}
    assert groups == wanted


def named(entries: list[dict]) -> set[tuple[str, frozenset[str]]]:
    return {(one["name"], ranges(one.get("specifier", ""))) for one in entries}


def required(texts: list[str]) -> set[tuple[str, frozenset[str]]]:
    """Names and version ranges of requirements; extras and markers left out."""
    parsed = (re.fullmatch(r"([\w.-]+)(?:\[[^\]]*\])?([^;]*).*", text) for text in texts)
    return {(re.sub(r"[-_.]+", "-", one[1]).lower(), ranges(one[2])) for one in parsed if one}


def ranges(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(","))
