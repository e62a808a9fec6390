"""What the documents name exists: files and folders of the project, targets of make, and links between documents."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "benchmarks/*.md", "k8s/*.md", "terraform/**/*.md")
    for path in ROOT.glob(pattern)
)
PATH = re.compile(r"(?<![\w./:-])(?:lstm_core|jobs|cluster|tests|benchmarks)/[\w./-]*")
FILE_OF_CODE = re.compile(r"`([\w/]+\.py)\b")  # also without the folders above it, as in `sound/master.py`
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")
TARGET = re.compile(r"`?\bmake ([a-z]+(?:-[a-z]+)*)`")


def tracked() -> set[str]:
    """The paths of all files that git knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines())


def missing_paths(text: str, files: set[str]) -> list[str]:
    """The paths that a text names and that are neither a file nor a folder of the project, in their order."""
    folders = {parent.as_posix() for file in files for parent in Path(file).parents}
    tails = {"/".join(Path(file).parts[start:]) for file in files for start in range(len(Path(file).parts))}
    paths = [found.rstrip("./") for found in PATH.findall(text)]
    missing = [path for path in paths if path not in files and path not in folders]
    return missing + [file for file in FILE_OF_CODE.findall(text) if file not in tails and file not in missing]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_of_documents_exist(document: str) -> None:
    assert missing_paths((ROOT / document).read_text(), tracked()) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    links = LINK.findall((ROOT / document).read_text())
    assert [link for link in links if not (ROOT / document).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_targets_of_make_that_documents_name_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= targets
    assert set(TARGET.findall((ROOT / document).read_text())) - targets == set()


def test_planted_paths_are_found() -> None:
    files = {"lstm_core/sound/master.py", "jobs/train/run.py"}
    text = (
        "See `sound/master.py`, lstm_core/sound/, lstm_core/playing/, `jobs/run.py` and `train/run.py`; s3://x/jobs/y."
    )
    assert missing_paths(text, files) == ["lstm_core/playing", "jobs/run.py"]
