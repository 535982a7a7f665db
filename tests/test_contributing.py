"""What CONTRIBUTING.md names exists: files, commands, and the words of the code."""

import functools
import re
import subprocess
from pathlib import Path

import pytest

from harness.build import REPOSITORY

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()
PROSE = re.sub(r"^ *```.*?^ *```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
COMMANDS = "\n".join(re.findall(r"^ *```sh\n(.*?)^ *```$", TEXT, re.MULTILINE | re.DOTALL))
# What is code, but not of this repository.
NOT_OURS = {
    "CREATE OR REPLACE",
    "ALTER",
    "DROP",
    "ALTER EXTENSION … UPDATE",
    "CREATE EXTENSION",
    "v",
}


def code(text: str) -> list[str]:
    return [" ".join(piece.split()) for piece in re.findall(r"`([^`]+)`", text)]


def is_path(piece: str) -> bool:
    return re.fullmatch(r"[\w.*-]+/[\w./*-]*|[\w-]+\.(md|toml|lock|json)", piece) is not None


def paths(text: str) -> list[Path]:
    """The files and folders that a text names, patterns resolved."""
    found = []
    for piece in filter(is_path, code(text)):
        matches = list(REPOSITORY.glob(piece))
        assert matches, f"{piece} does not exist"
        found += matches
    return found


@functools.cache
def words(path: Path) -> set[str]:
    """The words of a file, or of all files of the repository in a folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", str(path)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = set()
    for name in filter(None, listed.split("\0")):
        if name.endswith(".md") or name == str(Path(__file__).relative_to(REPOSITORY)):
            continue
        found |= set(re.findall(r"\w+", (REPOSITORY / name).read_text()))
        found |= set(re.findall(r"\w+", Path(name).stem))
    return found


def paragraphs() -> list[str]:
    """Paragraphs and items of lists, of which each is checked against the files that it names."""
    return [p for p in re.split(r"\n\n|\n(?=\* |\d+\. )", PROSE) if code(p)]


@pytest.mark.parametrize("paragraph", paragraphs())
def test_the_words_of_a_paragraph_are_in_the_files_that_it_names(paragraph):
    named = [path for path in paths(paragraph) if path.suffix not in (".md", ".lock")]
    known = set().union(*map(words, named or [REPOSITORY]))
    for piece in code(paragraph):
        # Commands have a test below.
        if is_path(piece) or piece in NOT_OURS or piece.startswith(("make ", "cargo ", "PG")):
            continue
        missing = set(re.findall(r"\w+", piece)) - known
        places = [path.name for path in named] or "the repository"
        assert not missing, f"{piece}: {missing} not in {places}"


def test_links_lead_to_files():
    links = re.findall(r"\]\(([^)]+)\)", PROSE)
    assert links and all((REPOSITORY / link).is_file() for link in links)


def test_commands_exist():
    makefile = (REPOSITORY / "Makefile").read_text()
    shown = "\n".join([COMMANDS, *code(PROSE)])
    targets = set(re.findall(r"\bmake ([a-z-]+)", shown))
    assert {"build", "test", "unit", "package", "upgrade-script"} <= targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    programs = re.findall(r"^ *((?:tests|packaging)/\S+)(.*)", COMMANDS, re.MULTILINE)
    assert programs
    for program, arguments in programs:
        assert (REPOSITORY / program).stat().st_mode & 0o111
        for argument in re.findall(r"tests/\S+", arguments):
            assert (REPOSITORY / argument).exists(), argument
    # The crates of the one edit.
    cargo = (REPOSITORY / "Cargo.toml").read_text()
    for crate in re.findall(r"-p (\S+)", COMMANDS):
        assert re.search(rf'^{crate} = .*"=\d', cargo, re.MULTILINE), f"{crate} is not pinned"
