"""Which package may import which, and what no tracked file may hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FORBIDDEN = {
    "lstm_core": frozenset({"ray", "jobs", "cluster"}),
    "cluster": frozenset({"ray", "torch", "jobs"}),
}  # package -> top-level modules that it never imports, also not inside a function

FLOORS = {
    "lstm_core": (
        "foundation",
        "storage",
        "notes",
        "analysis",
        "originality",
        "sound",
        "recordings",
        "representations",
        "model",
        "transcription",
        "blocks",
        "dataset",
        "training",
        "transcriber_training",
        "orders",
        "engine",
        "composing",
        "catalogue",
        "tracks",
    ),
    "cluster": ("", "ray_jobs", "kube", "schedules", "lifecycle"),
    "jobs": ("runtime", "prepare", "train", "generate", "train_transcriber", "demo", "base_corpus", "command_line"),
}  # package -> its folders from the ground up ("" for files beside them): a file uses its own floor and those below
MOST_FILES = 15  # of code in one folder

# Character classes keep these patterns from matching the line that they stand on.
REGISTRY = re.compile(
    r"py[p]i\.(?:org|python\.org)|files\.python[h]osted|download\.py[t]orch\.org|registry\.np[m]js|conda\.ana[c]onda"
    r"|--(?:extra-)?index-url\b|--find-link[s]\b"
)


def imported_modules(source: str) -> set[str]:
    """Top-level names of all modules that a file imports, wherever in the file, also by importlib with a literal."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                names.add(str(node.args[0].value))
    return {name.partition(".")[0] for name in names}


def boundary_violations(root: Path) -> list[str]:
    """One line `path imports module` for each forbidden import under `root`, sorted."""
    return sorted(
        f"{path.relative_to(root)} imports {module}"
        for package, forbidden in FORBIDDEN.items()
        for path in (root / package).rglob("*.py")
        for module in imported_modules(path.read_text(encoding="utf-8")) & forbidden
    )


def climbing_imports(root: Path, floors: dict[str, tuple[str, ...]]) -> list[str]:
    """One line `path imports module` for each import of a floor above a file's own, or from a folder of no floor."""
    found = []
    for package, order in floors.items():
        for path in sorted((root / package).rglob("*.py")):
            floor = path.relative_to(root / package).parts[0] if path.parent != root / package else ""
            if path.name == "__init__.py" and floor == "":
                continue
            for module in sorted(imported_paths(path.read_text(encoding="utf-8"), package)):
                other = module.split(".")[1] if (root / package / module.split(".")[1]).is_dir() else ""
                if floor not in order or other not in order or order.index(other) > order.index(floor):
                    found.append(f"{path.relative_to(root)} imports {module}")
    return found


def imported_paths(source: str, package: str) -> set[str]:
    """Dotted names below `package` that a file imports, each with at least one part after the package's own."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.startswith(f"{package}.")}


def registry_addresses(name: str, text: str) -> list[str]:
    """One line for each address of a package registry in a file; a lock file may hold no address at all."""
    pattern = re.compile(REGISTRY.pattern + "|://") if name.endswith(".lock") else REGISTRY
    return [f"{name}:{i}: {line.strip()}" for i, line in enumerate(text.splitlines(), 1) if pattern.search(line)]


def tracked_files() -> list[Path]:
    """All files that git tracks."""
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no git checkout to list: {error}")
    return [ROOT / name for name in listing.decode().split("\0") if name and (ROOT / name).is_file()]


def test_packages_keep_their_boundaries() -> None:
    assert boundary_violations(ROOT) == []


@pytest.mark.slow
@pytest.mark.parametrize(("package", "absent"), [("lstm_core", {"ray"}), ("cluster", {"ray", "torch"})])
def test_importing_everything_loads_nothing_forbidden(package: str, absent: set[str]) -> None:
    """The whole package imported in a fresh process: what it reaches through others counts too."""
    names = [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in (ROOT / package).rglob("*.py")]
    program = f"import sys, importlib; [importlib.import_module(n) for n in {names!r}]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & absent == set()
    assert package in loaded


@pytest.mark.parametrize(
    ("package", "line", "module"),
    [
        ("lstm_core", "import ray.data as rd", "ray"),
        ("lstm_core", "def f():\n    from ray import train", "ray"),
        ("lstm_core", "import importlib\nimportlib.import_module('ray.train')", "ray"),
        ("lstm_core", "from jobs.runtime.recipe import Recipe", "jobs"),
        ("cluster", "if True:\n    import torch.nn", "torch"),
        ("cluster", "from ray.job_submission import JobSubmissionClient", "ray"),
    ],
)
def test_planted_violation_is_found(tmp_path: Path, package: str, line: str, module: str) -> None:
    planted = tmp_path / package / "inner" / "planted.py"
    planted.parent.mkdir(parents=True)
    planted.write_text(f"{line}\n")
    assert boundary_violations(tmp_path) == [f"{package}/inner/planted.py imports {module}"]


def test_lookalikes_are_no_violation(tmp_path: Path) -> None:
    (tmp_path / "lstm_core").mkdir()
    (tmp_path / "lstm_core" / "fine.py").write_text("import rayleigh\nfrom .ray import x\nfrom . import jobs\n'ray'\n")
    assert boundary_violations(tmp_path) == []


def test_imports_go_downwards() -> None:
    assert climbing_imports(ROOT, FLOORS) == []


def test_planted_climb_is_found(tmp_path: Path) -> None:
    for folder in ("low", "high", "unlisted"):
        (tmp_path / "lstm_core" / folder).mkdir(parents=True)
    low, high = tmp_path / "lstm_core" / "low" / "a.py", tmp_path / "lstm_core" / "high" / "b.py"
    low.write_text("def f():\n    from lstm_core.high.b import x\n")
    high.write_text("from lstm_core import low\nfrom lstm_core.high import c\n")
    (tmp_path / "lstm_core" / "unlisted" / "d.py").write_text("import lstm_core.low.a\n")
    assert climbing_imports(tmp_path, {"lstm_core": ("low", "high")}) == [
        "lstm_core/low/a.py imports lstm_core.high.b.x",
        "lstm_core/unlisted/d.py imports lstm_core.low.a",
    ]


@pytest.mark.parametrize("package", FLOORS)
def test_no_folder_holds_more_than_a_reader_can_keep_in_mind(package: str) -> None:
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    sizes = {str(f.relative_to(ROOT)): sum(p.name != "__init__.py" for p in f.glob("*.py")) for f in folders}
    assert {name: size for name, size in sizes.items() if size > MOST_FILES} == {}


def test_no_tracked_file_names_a_registry() -> None:
    found: list[str] = []
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            found += registry_addresses(path.relative_to(ROOT).as_posix(), content.decode("utf-8", "replace"))
    assert found == []


def test_planted_registry_is_found() -> None:
    host = ".".join(("py" + "pi", "org"))
    assert registry_addresses("a.toml", f"x = 1\nurl = 'https://{host}/simple'") == [
        f"a.toml:2: url = 'https://{host}/simple'"
    ]
    option = "--extra-" + "index-url mirror"
    assert registry_addresses("a.lock", f"{option}\nnumpy @ http://mirror/numpy.whl") == [
        f"a.lock:1: {option}",
        "a.lock:2: numpy @ http://mirror/numpy.whl",
    ]
    assert registry_addresses("a.md", "see https://example.org") == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-checkov.lock"])
def test_every_locked_package_has_a_hash(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text())
    assert len(entries) > 50
    unlocked = [entry.partition("\n")[0] for entry in entries if "--hash=sha256:" not in entry or "==" not in entry]
    assert unlocked == []
