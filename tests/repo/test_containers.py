"""Container files against the code. There is no container engine here: what is checked is what can be read, and the
image's steps as far as they are Python's.
"""

import fnmatch
import os
import re
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from proxy import __version__
from proxy.cli import main
from proxy.config.environment import FLAGS, variables
from proxy.config.load import Flags, load
from proxy.config.schema import Config

from . import dockerfile
from .tree import ROOT, load_yaml, text

DATA_DIR = "/var/lib/millpond"
KNOWN = variables().keys() | FLAGS.values()
ARGUMENTS, STAGES = dockerfile.parse(text("Dockerfile"))
BUILD, IMAGE = STAGES
COMPOSE: dict[str, Any] = load_yaml("docker-compose.yml")
SERVICES: dict[str, Any] = COMPOSE["services"]
[DEPLOYMENT] = [load_yaml("deploy/kubernetes/sidecar.yaml")]


def port(address: str) -> int:
    return int(address.rpartition(":")[2])


def is_exec_form_of_the_health_check(words: list[str]) -> bool:
    return words == ["CMD", "millpond", "healthcheck"]


# The image.


def test_the_base_image_is_an_argument_that_both_stages_use() -> None:
    assert ARGUMENTS.keys() == {"PYTHON_IMAGE"}
    assert re.fullmatch(r"python:3\.1[1-4]-slim(-\w+)?", ARGUMENTS["PYTHON_IMAGE"])
    assert [stage.base for stage in STAGES] == ["${PYTHON_IMAGE}", "${PYTHON_IMAGE}"]


def test_every_command_is_in_exec_form() -> None:
    """So that there is no shell between Docker and Millpond: a signal reaches it, and its status is seen."""
    for stage in STAGES:
        for name in ("RUN", "ENTRYPOINT", "CMD"):
            assert all(instruction.text.startswith("[") for instruction in stage.all(name))
    words = IMAGE.only("HEALTHCHECK").text
    assert words == 'CMD ["millpond", "healthcheck"]'


def test_the_image_runs_the_program() -> None:
    assert IMAGE.only("ENTRYPOINT").words() + IMAGE.only("CMD").words() == ["millpond", "serve"]
    assert IMAGE.only("STOPSIGNAL").text == "SIGTERM"
    [venv_python] = {instruction.words()[0] for instruction in BUILD.all("RUN")} - {"python", "install"}
    assert IMAGE.environ()["PATH"].split(":")[0] == str(Path(venv_python).parent)


def test_the_user_is_a_number_that_is_not_root_and_owns_the_data_directory_alone() -> None:
    user = IMAGE.only("USER").text
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    owned = {instruction.words()[-1] for instruction in IMAGE.all("COPY") if instruction.options.get("chown") == user}
    assert owned == {DATA_DIR} == {IMAGE.only("VOLUME").text}
    order = [instruction.name for instruction in IMAGE.instructions]
    assert order.index("USER") > max(index for index, name in enumerate(order) if name in ("COPY", "RUN"))


def test_a_read_only_root_is_enough() -> None:
    """Bytecode is made beforehand and not later; settings go to the volume."""
    environ = IMAGE.environ()
    assert environ["PYTHONDONTWRITEBYTECODE"] == "1"
    assert any("compileall" in instruction.words() for instruction in BUILD.all("RUN"))
    assert environ["MILLPOND_SERVER_DATA_DIR"] == DATA_DIR


def test_the_image_listens_for_data_everywhere_and_for_administration_on_loopback() -> None:
    environ = {name: value for name, value in IMAGE.environ().items() if name.startswith("MILLPOND_")}
    assert environ.keys() <= KNOWN
    server = load(Flags(), environ).config.server
    assert server.listen == "0.0.0.0:8690"
    assert server.admin_listen == Config().server.admin_listen
    exposed = {int(number) for number in IMAGE.only("EXPOSE").words()}
    assert exposed == {port(server.listen), port(server.admin_listen)}


def test_what_is_installed_is_what_is_locked() -> None:
    [install] = [instruction.words() for instruction in BUILD.all("RUN") if "pip" in instruction.words()]
    assert {"--require-hashes", "-r", "/opt/millpond/requirements.lock"} <= set(install)


def ignored(path: str) -> bool:
    """As Docker reads .dockerignore: the last pattern that fits, to the path or a directory above it, decides."""
    result = False
    for line in filter(None, (line.strip() for line in text(".dockerignore").splitlines())):
        if line.startswith("#"):
            continue
        pattern = line.removeprefix("!").removeprefix("**/")
        above = [path, *map(str, Path(path).parents)]
        if any(fnmatch.fnmatch(part, pattern) or fnmatch.fnmatch(Path(part).name, pattern) for part in above):
            result = not line.startswith("!")
    return result


def copied() -> list[tuple[str, str]]:
    pairs = []
    for instruction in BUILD.all("COPY"):
        *sources, target = instruction.words()
        pairs += [(source, target) for source in sources]
    return pairs


def test_what_is_copied_exists_and_is_not_ignored_and_nothing_else_is_sent() -> None:
    assert [source for source, _ in copied() if not (ROOT / source).exists() or ignored(source)] == []
    assert not ignored("proxy/cache/memory.py")
    for path in (".git/config", ".venv/bin/python", "tests/conftest.py", "deploy/kubernetes/sidecar.yaml", "README.md"):
        assert ignored(path), path
    assert ignored("proxy/__pycache__/cli.pyc")


def test_the_second_stage_copies_from_the_first() -> None:
    assert {instruction.options["from"] for instruction in IMAGE.all("COPY")} == {BUILD.name}


def test_the_images_steps_make_a_millpond(tmp_path: Path) -> None:
    """In a directory for the image's root, with this environment's libraries for those of the lock file."""
    venv.create(tmp_path / "opt/millpond/venv", with_pip=False, symlinks=True)
    program = tmp_path / "opt/millpond/venv/bin/python"
    for source, target in copied():
        place = tmp_path / target.removeprefix("/")
        place = place / Path(source).name if target.endswith("/") else place
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, place)
    for instruction in BUILD.all("RUN"):
        words = [word.replace("/opt/", f"{tmp_path}/opt/") for word in instruction.words()]
        if words[0] != str(program) or "pip" in words:
            continue
        subprocess.run(words, check=True, timeout=60)
    assert (tmp_path / "opt/millpond/app/proxy/__pycache__").is_dir()
    environ = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    environ["PYTHONPATH"] = sysconfig.get_path("purelib")  # pth files there, this checkout's among them, are not read
    where = "import proxy, sys; print(proxy.__file__, sys.prefix)"
    result = subprocess.run(
        [program, "-c", where], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == [f"{tmp_path}/opt/millpond/app/proxy/__init__.py", f"{tmp_path}/opt/millpond/venv"]
    result = subprocess.run(
        ["millpond", "--version"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert result.stdout == f"millpond {__version__}\n"


# The compose file.


def mounts(service: str) -> dict[str, str]:
    """Target to source."""
    return {parts[1]: parts[0] for parts in (volume.split(":") for volume in SERVICES[service].get("volumes", ()))}


def test_four_services_with_images_health_checks_and_named_volumes() -> None:
    assert SERVICES.keys() == {"grafana", "millpond", "prometheus", "redis"}
    for name, service in SERVICES.items():
        assert re.fullmatch(r"\$\{[A-Z]+_IMAGE:-[a-z./]+:[\w.-]+\}|millpond:local", service["image"]), name
        assert not service["image"].endswith(":latest}")
        assert service["healthcheck"]["test"][0] == "CMD"
    named = {source for name in SERVICES for source in mounts(name).values() if not source.startswith(".")}
    assert named == COMPOSE["volumes"].keys()
    assert (mounts("redis")["/data"], mounts("millpond")[DATA_DIR]) == ("redis", "millpond")


def test_what_is_mounted_exists_and_is_read_only() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source, _, *mode = volume.split(":")
            assert not source.startswith(".") or ((ROOT / source).exists() and mode == ["ro"]), volume


def test_services_wait_for_those_they_need() -> None:
    waits = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    healthy = {"condition": "service_healthy"}
    assert waits["grafana"] == {"millpond": healthy}
    assert waits["millpond"] == {"redis": healthy}


def millpond() -> Config:
    """The configuration of the compose file's Millpond, by Millpond's own loader."""
    environ = {name: value for name, value in IMAGE.environ().items() if name.startswith("MILLPOND_")}
    environ |= SERVICES["millpond"]["environment"]
    assert environ.keys() <= KNOWN
    mounted = mounts("millpond")[environ.pop("MILLPOND_CONFIG")]
    return load(Flags(config=str(ROOT / mounted)), environ).config


def test_millpond_is_built_from_the_dockerfile_and_may_write_nothing_but_its_volume() -> None:
    service = SERVICES["millpond"]
    assert service["build"]["context"] == "."
    assert service["build"]["args"].keys() == ARGUMENTS.keys()
    assert service["build"]["args"]["PYTHON_IMAGE"] == f"${{PYTHON_IMAGE:-{ARGUMENTS['PYTHON_IMAGE']}}}"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert is_exec_form_of_the_health_check(service["healthcheck"]["test"])
    grace = int(service["stop_grace_period"].removesuffix("s"))
    assert grace * 1000 > millpond().server.drain_ms


def test_only_administration_is_published_and_on_loopback() -> None:
    server = millpond().server
    assert (server.listen, server.admin_listen) == ("0.0.0.0:8690", "0.0.0.0:8691")
    number = port(server.admin_listen)
    assert SERVICES["millpond"]["ports"] == [f"127.0.0.1:{number}:{number}"]
    for service in SERVICES.values():
        assert all(published.startswith("127.0.0.1:") for published in service.get("ports", ()))


def test_millpond_uses_the_redis_that_keeps_its_settings() -> None:
    caching = millpond().caching
    assert caching.backend == "redis"
    url = urlsplit(caching.redis.url)
    assert url.hostname == "redis" in SERVICES
    assert url.port == 6379
    command = SERVICES["redis"]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1].startswith("volatile-")  # settings have no expiry


def test_millpond_asks_the_prometheus_that_asks_it_for_metrics() -> None:
    [source] = millpond().datasources
    assert (source.url, source.cache.enabled) == ("http://prometheus:9090", True)
    assert mounts("prometheus")["/etc/prometheus"] == "./config/prometheus"
    config = load_yaml("config/prometheus/prometheus.yml")
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    assert jobs["millpond"] == [f"millpond:{port(millpond().server.admin_listen)}"]
    assert all((ROOT / "config/prometheus" / name).is_file() for name in config["rule_files"])


def test_grafanas_data_source_points_to_millpond() -> None:
    assert mounts("grafana")["/etc/grafana/provisioning"] == "./config/grafana/provisioning"
    [source] = load_yaml("config/grafana/provisioning/datasources/millpond.yaml")["datasources"]
    [declared] = millpond().datasources
    assert source["url"] == f"http://millpond:{port(millpond().server.listen)}/ds/{declared.uid}"
    assert (source["uid"], source["type"], source["access"]) == (declared.uid, declared.type, "proxy")
    interval = load_yaml("config/prometheus/prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval


def test_grafanas_dashboards_are_where_it_looks_for_them() -> None:
    [provider] = load_yaml("config/grafana/provisioning/dashboards/millpond.yaml")["providers"]
    place = ROOT / mounts("grafana")[provider["options"]["path"]]
    assert [path.name for path in place.iterdir()] == ["millpond.json"]


# Kubernetes.


@pytest.fixture
def containers() -> dict[str, Any]:
    return {container["name"]: container for container in DEPLOYMENT["spec"]["template"]["spec"]["containers"]}


def test_the_sidecar_is_configured_by_variables_that_exist(containers: dict[str, Any]) -> None:
    environ = {name: value for name, value in IMAGE.environ().items() if name.startswith("MILLPOND_")}
    environ |= {pair["name"]: pair["value"] for pair in containers["millpond"]["env"]}
    config = load(Flags(), environ).config
    [source] = config.datasources
    assert source.owns_root
    assert config.server.listen.startswith("127.0.0.1:")
    [admin] = containers["millpond"]["ports"]
    assert (admin["name"], admin["containerPort"]) == ("admin", port(config.server.admin_listen))
    pod = DEPLOYMENT["spec"]["template"]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(admin["containerPort"])
    assert pod["spec"]["terminationGracePeriodSeconds"] * 1000 > config.server.drain_ms


def test_the_sidecars_probes_and_user_are_the_images(containers: dict[str, Any]) -> None:
    sidecar = containers["millpond"]
    assert sidecar["readinessProbe"]["httpGet"] == {"path": "/-/ready", "port": "admin"}
    assert sidecar["livenessProbe"]["httpGet"] == {"path": "/-/healthy", "port": "admin"}
    user = int(IMAGE.only("USER").text.partition(":")[0])
    assert sidecar["securityContext"]["runAsUser"] == user
    assert sidecar["securityContext"]["readOnlyRootFilesystem"] is True
    assert DEPLOYMENT["spec"]["template"]["spec"]["securityContext"]["fsGroup"] == user
    [mount] = sidecar["volumeMounts"]
    [volume] = DEPLOYMENT["spec"]["template"]["spec"]["volumes"]
    assert (mount["name"], mount["mountPath"]) == (volume["name"], DATA_DIR)


def test_the_images_of_grafana_are_the_same() -> None:
    [image] = [c["image"] for c in DEPLOYMENT["spec"]["template"]["spec"]["containers"] if c["name"] == "grafana"]
    assert SERVICES["grafana"]["image"] == f"${{GRAFANA_IMAGE:-{image}}}"


def test_the_documentation_says_that_none_of_this_was_run() -> None:
    assert "neither image nor compose file has been built or run" in text("docs/operations.md")
    assert "it was not applied to a cluster" in text("docs/operations.md")


def test_the_health_check_is_a_command_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["healthcheck", "--help"])
    assert exit_.value.code == 0
    assert "admin listener says ready" in capsys.readouterr().out
