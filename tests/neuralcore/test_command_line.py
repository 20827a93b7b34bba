"""The dispatcher: what it prints, what it loads, whose packages it trusts."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from neuralcore import __version__
from neuralcore.command_line import Command, check_packages, run
from neuralcore.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "echo": Command("plain_command", "EchoArguments", "echo", "Print a word"),
    "read": Command("hooked_command", "ReadArguments", "read", "Read a file"),
    "absent": Command("no_such_module", "Arguments", "function", "Never imported here"),
}
PLAIN = '''
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class EchoArguments:
        """Arguments."""
        word: str = "hello"
        """What to print."""
        code: int = 0
        """The exit code."""

    def echo(arguments):
        """Print one word and leave.

        More that the help's heading leaves out.
        """
        print(arguments.word)
        return arguments.code
'''
HOOKED = """
    def parse_arguments(words, prog):
        return f"{prog}: {words}"

    def read(arguments):
        print(arguments)
        return 0
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "plain_command.py").write_text(textwrap.dedent(PLAIN))
    (tmp_path / "hooked_command.py").write_text(textwrap.dedent(HOOKED))
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("plain_command", "hooked_command"):
        sys.modules.pop(name, None)


def call(*words: str) -> int:
    return run("kit", "What the kit does.", COMMANDS, list(words))


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_the_table_lists_every_command_and_loads_none(words: tuple[str, ...], capsys: pytest.CaptureFixture):
    assert call(*words) == 0
    shown = capsys.readouterr().out
    assert "usage: kit <command>" in shown
    assert "What the kit does." in shown
    for name, command in COMMANDS.items():
        assert f"  {name:<6}  {command.help}\n" in shown
    assert "plain_command" not in sys.modules


def test_version(capsys: pytest.CaptureFixture):
    assert call("--version") == 0
    assert capsys.readouterr().out == f"kit {__version__}\n"


def test_a_command_gets_its_arguments_and_gives_the_exit_code(capsys: pytest.CaptureFixture):
    assert call("echo", "--word", "seven", "--code", "7") == 7
    assert capsys.readouterr().out == "seven\n"
    assert "hooked_command" not in sys.modules


def test_the_words_come_from_the_command_line_where_none_are_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setattr(sys, "argv", ["kit", "echo", "--word", "argv"])
    assert run("kit", "", COMMANDS) == 0
    assert capsys.readouterr().out == "argv\n"


def test_help_of_a_command_is_headed_by_its_function(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as stop:
        call("echo", "--help")
    shown = capsys.readouterr().out
    assert stop.value.code == 0
    assert "usage: kit echo" in shown
    assert "Print one word and leave." in shown
    assert "More that" not in shown
    assert "What to print." in shown


def test_a_module_with_parse_arguments_reads_its_own_words(capsys: pytest.CaptureFixture):
    assert call("read", "file.toml", "--x") == 0
    assert capsys.readouterr().out == "kit read: ['file.toml', '--x']\n"


def test_mistakes_are_one_line_and_code_2(capsys: pytest.CaptureFixture):
    for words, told in [
        (("ecko",), "unknown command 'ecko': did you mean 'echo'? known: absent, echo, read"),
        (("--echo",), "unknown command '--echo'"),
        (("echo", "--wrd", "x"), "unknown flag --wrd: did you mean '--word'?"),
        (("echo", "--code", "x"), "--code"),
    ]:
        assert call(*words) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1
        assert told in printed.err


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ModuleNotFoundError):
        call("absent")


def test_our_own_packages_pass():
    check_packages()


def test_only_the_packages_asked_for_are_checked(capsys: pytest.CaptureFixture):
    assert run("kit", "", COMMANDS, ["echo"], packages=("json",)) == 2
    assert "import name json leads to" in capsys.readouterr().err
    with pytest.raises(UserError, match="no_such_package is not beside"):
        check_packages(("no_such_package",))


SCRIPT = """
import sys
sys.path[:0] = sys.argv[1:]
from neuralcore.command_line import Command, run
sys.exit(run("kit", "", {"json": Command("json", "", "", "")}, [WORDS]))
"""


def intruded(path: Path) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter in which `path` comes before our own packages."""
    command = [sys.executable, "-P", "-c", SCRIPT.replace("WORDS", "'json'"), str(path), str(ROOT)]
    return subprocess.run(command, cwd=path, capture_output=True, text=True, timeout=60)


def test_a_folder_in_the_way_is_named(tmp_path: Path):
    (tmp_path / "agents").mkdir()
    intruder = tmp_path / "agents" / "__init__.py"
    intruder.write_text("raise SystemExit('the intruder ran')")
    done = intruded(tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"import name agents leads to {intruder.resolve()}, of no installed distribution" in done.stderr
    assert "PYTHONPATH" in done.stderr
    assert "the intruder ran" not in done.stderr


def test_a_distribution_in_the_way_is_named(tmp_path: Path):
    (tmp_path / "rlkit").mkdir()
    (tmp_path / "rlkit" / "__init__.py").touch()
    info = tmp_path / "other_rlkit-0.2.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-rlkit\nVersion: 0.2.1\n")
    (info / "RECORD").write_text("rlkit/__init__.py,,\nother_rlkit-0.2.1.dist-info/METADATA,,\n")
    done = intruded(tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "of the distribution other-rlkit, not to rlgraphkit: pip uninstall other-rlkit" in done.stderr


def test_a_pipe_closed_by_the_reader_ends_quietly():
    command = [sys.executable, "-c", SCRIPT.replace("WORDS", ""), str(ROOT)]
    # Buffered, as a user's Python is: the bytes meet the closed pipe only when they are flushed.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 0
