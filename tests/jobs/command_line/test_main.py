"""The command line: user errors cost one screen and exit code 2, help is quick, nothing heavy is imported for it."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.command_line import main as cli
from lstm_core.foundation.errors import OrderError


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


def test_help_lists_the_commands_and_imports_no_job() -> None:
    program = (
        "import sys\nfrom jobs.command_line.main import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as ended:\n    print(ended.code)\n"
        "print(sorted({'ray', 'torch', 'numpy', 'pyarrow', 'music21', 'symusic'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "prepare" in done.stdout and "inspect" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["0", "[]"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "/nowhere/at all", "out"], "There is no folder /nowhere/at all: check the path."),
        (["prepare", ".", "out", "--set", "valid_shar=1"], "unknown key valid_shar."),
        (["prepare", ".", "out", "--set", "split.valid_shar=1"], "Did you mean split.valid_share?"),
        (
            ["prepare", ".", "out", "--recipe", "/nowhere.toml"],
            "Cannot read /nowhere.toml: there is nothing of that name.",
        ),
        (["prepare", "s4://bucket", "out"], "Use a path, file:// or s3://"),
        (["inspect", "/nowhere"], "/nowhere is nothing that tonemill made"),
        (["prepare", "only one"], "Missing argument"),
        (["prepare", "a", "b", "--wrokers", "2"], "No such option"),
        (["prepair"], "No such command"),
    ],
)
def test_user_errors_are_reported_on_one_screen(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == ""
    assert message in " ".join(err.split())
    assert len(err.splitlines()) <= 24 and "Traceback" not in err


def test_an_empty_corpus_says_what_is_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "prepare", str(tmp_path), str(tmp_path / "blocks"))
    assert code == 2 and "we read .mid" in err and "found no files" in err
    assert not (tmp_path / "blocks").exists()


def test_causes_are_looked_for_behind_the_error_that_ray_raises(capsys: pytest.CaptureFixture[str]) -> None:
    wrapped = RuntimeError("UDF failed")
    wrapped.cause = ValueError("inner")  # as ray.exceptions.RayTaskError does
    wrapped.cause.__cause__ = OrderError("this key is no key")
    assert cli._explain(wrapped) == 2
    assert capsys.readouterr().err == "tonemill: this key is no key\n"
    assert cli._explain(OSError(errno.ENOSPC, "No space left on device", "/data/x")) == 2
    assert "the disk is full (/data/x)" in capsys.readouterr().err
    assert cli._explain(KeyError("bug")) == 1
    assert "--verbose" in capsys.readouterr().err


def test_ctrl_c_is_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)
    code, _, err = run(capsys, "prepare", "a", "b")
    assert code == 130 and "Run the same command again" in err


def test_what_is_left_out_of_an_order_is_said_without_verbose() -> None:
    """Loggers of modules that warn of tracks, failures and transitions that are missing are on; others are not."""
    program = (
        "import logging\nfrom jobs.command_line.main import options\noptions()\n"
        "for name in ('run', 'failures', 'transitions', 'attempts'):\n"
        "    print(name, logging.getLogger(f'jobs.generate.{name}').isEnabledFor(logging.WARNING))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["run True", "failures True", "transitions True", "attempts False"]
