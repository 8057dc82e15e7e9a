"""Configurations as tests write them: a file's text, an environment, flags."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.config.load import Flags, load
from proxy.config.schema import Config
from proxy.errors import ConfigError

NO_ENVIRONMENT: Mapping[str, str] = {}


class Loading:
    """`file` is written to a directory of the test's own; texts in it may name `{directory}`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, file: str | None = None, environ: Mapping[str, str] = NO_ENVIRONMENT, **flags: str) -> Config:
        """`flags` that are keys of the file are named by their path there, with `__` for its dots."""
        name = None if file is None else self.write("millpond.yaml", file)
        unnamed = {flag: text for flag, text in flags.items() if "__" not in flag}
        settings = {flag.replace("__", "."): text for flag, text in flags.items() if "__" in flag}
        return load(Flags(config=name, **unnamed, settings=settings), environ).config

    def problems(
        self, file: str | None = None, environ: Mapping[str, str] = NO_ENVIRONMENT, **flags: str
    ) -> dict[str, str]:
        """What is wrong, by where; each place once."""
        with pytest.raises(ConfigError) as caught:
            self(file, environ, **flags)
        problems = dict(caught.value.problems)
        assert len(problems) == len(caught.value.problems)
        return problems

    def write(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text.replace("{directory}", str(self.directory)))
        return str(path)
