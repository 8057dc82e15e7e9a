"""README's first steps, taken: against a real Prometheus, with the ports of this test."""

import re
import shlex
import urllib.request

from tests.servers.millpond import Millpond, StartMillpond
from tests.servers.prometheus import Prometheus

from .tree import ROOT, code_blocks, relative, table_rows, text


def curl(line: str, millpond: Millpond) -> tuple[int, str, str]:
    """Status, X-Cache and body of what the line asks for."""
    line = line.replace("$TOKEN", millpond.token).replace("localhost", "127.0.0.1")
    line = line.replace(":8690", f":{millpond.port}").replace(":8691", f":{millpond.admin_port}")
    words = shlex.split(line, comments=True)
    method, headers, url = "GET", {}, ""
    arguments = iter(words[1:])
    for word in arguments:
        match word:
            case "-H":
                name, _, value = next(arguments).partition(": ")
                headers[name] = value
            case "-X":
                method = next(arguments)
            case "-si":
                pass
            case _:
                assert not url, word
                url = word
    with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=20) as response:
        return response.status, response.headers.get("X-Cache", ""), response.read().decode()


def test_the_first_steps(prometheus: Prometheus, start_millpond: StartMillpond) -> None:
    millpond = start_millpond("--upstream", prometheus.url)
    lines = [line for block in code_blocks(text("README.md")) for line in block.splitlines() if line.startswith("curl")]
    labels, labels_again, settings, clean = (curl(line, millpond) for line in lines)
    assert re.findall(r"X-Cache: (\w+)", "\n".join(lines)) == [labels[1], labels_again[1]] == ["MISS", "HIT"]
    assert labels[2] == labels_again[2]
    assert '"enabled": true' in settings[2]
    assert clean[0] == 200
    assert curl(lines[0], millpond)[1] == "MISS"


def test_readme_names_every_page() -> None:
    named = {re.findall(r"\((.*?)\)", row[0])[0] for row in table_rows(text("README.md"), "Read on") if "(" in row[0]}
    pages = {relative(page) for page in (ROOT / "docs").glob("*.md")}
    assert pages <= named
