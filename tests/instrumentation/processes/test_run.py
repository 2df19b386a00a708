"""`spanledger run`: a program that does not know of spanledger is traced, and behaves as it does without."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PYTHON = sys.executable
RUN = (PYTHON, "-m", "spanledger.run")

AGENT = """
import os, sys
from opentelemetry import trace
trace.get_tracer("theirs").start_span("theirs").end()
print(*sys.argv[1:])
sys.exit(int(os.environ.get("EXIT", 0)))
"""


@pytest.mark.parametrize(
    ("command", "service"),
    [
        ((PYTHON, "my_agent.py"), "my_agent"),
        ((PYTHON, "-m", "my_agent"), "my_agent"),
        (("--", PYTHON, "-c", "import my_agent"), "python"),
        (("--", PYTHON, "-c", f"import os; os.execv({PYTHON!r}, [{PYTHON!r}, 'my_agent.py'])"), "my_agent"),
    ],
    ids=["script", "module", "code", "exec"],
)
def test_a_program_is_traced_as_it_is(command, service, run_program, arrived):
    """Its spans arrive under its own name, however Python was told what to run."""
    done = run_program(AGENT, *RUN, *command)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(span.name, span.service) for span in arrived()] == [("theirs", service)]


def test_arguments_and_exit_code_pass(run_program, arrived):
    """What looks like an option of ours is the program's, and so is the exit code."""
    done = run_program(AGENT, *RUN, PYTHON, "my_agent.py", "--help", "--", "-x", EXIT="7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "--help -- -x\n", "")


def test_a_console_script_is_traced(run_program, arrived, tmp_path):
    """A script with a Python of its own in the first line is traced like any other."""
    script = tmp_path / "my-command"
    script.write_text(f"#!{PYTHON}\nimport my_agent\n")
    script.chmod(0o755)
    done = run_program(AGENT, *RUN, "./my-command", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert [span.service for span in arrived()] == ["my-command"]


def test_another_sitecustomize_still_runs(run_program, arrived, tmp_path):
    """The one that would have run without spanledger runs, after it."""
    (tmp_path / "sitecustomize.py").write_text("import sys; print('spanledger.auto' in sys.modules, __name__)\n")
    done = run_program(AGENT, *RUN, PYTHON, "my_agent.py", PYTHONPATH=str(tmp_path))
    # The first one is of the command that starts the program.
    assert done.stdout.splitlines()[:2] == ["False sitecustomize", "True sitecustomize"]


def test_the_programs_own_provider_holds(run_program, arrived):
    """A program that sets a tracer provider of its own, later than ours, has it."""
    done = run_program(
        """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        mine = TracerProvider()
        trace.set_tracer_provider(mine)
        print(trace.get_tracer_provider() is mine)
        """,
        *RUN,
        PYTHON,
        "my_agent.py",
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("no-such-command",), 127, "there is no command 'no-such-command'"),
        (("./my_agent.py",), 126, "'./my_agent.py' cannot be executed; for a script, name its Python, too"),
        ((), 2, "Usage: spanledger run"),
        (("--wrong",), 2, "Usage: spanledger run"),
    ],
)
def test_what_cannot_run_is_said(command, code, said, run_program):
    """A command that cannot be run fails as in a shell, with a line that says why."""
    done = run_program(AGENT, *RUN, *command)
    assert done.returncode == code
    assert said in done.stderr


def test_a_python_without_spanledger_runs_as_it_is(tmp_path):
    """Where spanledger cannot be imported, the program runs untraced, and one line says so."""
    (tmp_path / "spanledger.py").write_text("raise ImportError('not here')")
    from spanledger.run import INJECTED

    paths = os.pathsep.join((str(tmp_path), str(INJECTED)))
    done = subprocess.run(
        [PYTHON, "-c", "print('it runs')"],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "it runs\n"
    assert done.stderr == f"spanledger: {PYTHON} is not traced (ImportError: not here)\n"


def test_the_command_needs_no_collector(run_program, arrived):
    """`spanledger run` itself works where only the app side is installed: nothing of the collector is imported."""
    program = "import sys; sys.modules['click'] = None; sys.argv[1:] = ['run', sys.executable, 'my_agent.py']\n"
    program += "from spanledger_collector.__main__ import main; main()"
    done = run_program(AGENT, PYTHON, "-c", program)
    assert (done.returncode, done.stderr) == (0, "")
    assert [span.name for span in arrived()] == ["theirs"]


def test_a_forking_server_is_traced(run_program, arrived):
    """Gunicorn loads the application before it forks: each worker's spans arrive, as those of a process of its own."""
    pytest.importorskip("gunicorn")
    done = run_program(
        """
        import os, pathlib, signal
        from opentelemetry import trace

        trace.get_tracer("theirs").start_span("loaded").end()

        def post_worker_init(worker):
            trace.get_tracer("theirs").start_span("served").end()
            pathlib.Path(f"served-{worker.age}").touch()
            if len(list(pathlib.Path().glob("served-*"))) == 2:
                os.kill(worker.ppid, signal.SIGTERM)

        def app(environ, start_response):
            raise AssertionError("nobody asks")
        """,
        *RUN,
        *("gunicorn", "--preload", "--workers=2", "--bind=127.0.0.1:0", "--config=python:my_agent", "my_agent:app"),
    )
    assert done.returncode == 0, done.stderr
    instances = {(span.name, span.instance) for span in arrived()}
    assert sorted(span.name for span in arrived()) == ["loaded", "served", "served"]
    assert len(instances) == len({instance for _, instance in instances}) == 3
