"""A Dockerfile as instructions. Exec forms only: a shell's form would need a shell to be judged."""

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    name: str
    options: dict[str, str]
    text: str

    def words(self) -> list[str]:
        """The exec form's words, or those of a form that has no other."""
        if self.text.startswith("["):
            words: list[str] = json.loads(self.text)
            return words
        return self.text.split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    base: str
    name: str
    instructions: list[Instruction]

    def all(self, name: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.name == name]

    def only(self, name: str) -> Instruction:
        [instruction] = self.all(name)
        return instruction

    def environ(self) -> dict[str, str]:
        pairs = (word.partition("=") for instruction in self.all("ENV") for word in instruction.words())
        return {name: value for name, _, value in pairs}


def parse(text: str) -> tuple[dict[str, str], list[Stage]]:
    """Arguments before the first stage with their defaults, and the stages."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in filter(str.strip, joined.splitlines()):
        name, _, rest = line.partition(" ")
        match = re.match(r"((?:--\S+ )*)(.*)", rest.strip())
        assert match is not None
        pairs = (option.removeprefix("--").partition("=") for option in match[1].split())
        instruction = Instruction(name=name, options={key: value for key, _, value in pairs}, text=match[2])
        if name == "FROM":
            base, _, stage = instruction.text.partition(" AS ")
            stages.append(Stage(base=base, name=stage, instructions=[]))
        elif stages:
            stages[-1].instructions.append(instruction)
        else:
            assert name == "ARG"
            key, _, default = instruction.text.partition("=")
            arguments[key] = default
    return arguments, stages
