"""Trainers and checkpoint commands: small Python programs, as the lists that settings take."""

import sys
from textwrap import dedent


def python(code: str, *arguments: str) -> list[str]:
    """Return the command that runs a piece of Python."""
    return [sys.executable, "-I", "-S", "-c", dedent(code).strip(), *arguments]


def exits(code: int, artifact: str = "trained") -> list[str]:
    """Return a trainer that leaves a report under benchmarks/ and exits with `code`."""
    return python(
        """
        import pathlib, sys
        pathlib.Path("benchmarks").mkdir(exist_ok=True)
        pathlib.Path("benchmarks/report.txt").write_text(sys.argv[2])
        sys.exit(int(sys.argv[1]))
        """,
        str(code),
        artifact,
    )


def trains_until_told(signals: str = "TERM INT", exit_code: int = 0) -> list[str]:
    """Return a trainer that runs until one of `signals`, which it counts in signals.txt.

    It writes its process id to trainer.pid once it is ready; it is killed by any other signal.
    """
    return python(
        """
        import os, pathlib, signal, sys
        names = ["SIG" + name for name in sys.argv[1].split()]
        watched = {getattr(signal, name) for name in names}
        signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        pathlib.Path("benchmarks").mkdir(exist_ok=True)
        pathlib.Path("benchmarks/report.txt").write_text("half trained")
        pathlib.Path("trainer.pid.part").write_text(str(os.getpid()))
        os.rename("trainer.pid.part", "trainer.pid")
        told = signal.sigwait(watched)
        with open("signals.txt", "a") as seen:
            seen.write(told.name + "\\n")
            while (again := signal.sigtimedwait(watched, 0.3)) is not None:
                seen.write(signal.Signals(again.si_signo).name + "\\n")
        sys.exit(int(sys.argv[2]))
        """,
        signals,
        str(exit_code),
    )


def trains_for_ever() -> list[str]:
    """Return a trainer that does nothing about signals; it writes trainer.pid once it runs."""
    return python(
        """
        import os, pathlib, time
        pathlib.Path("benchmarks").mkdir(exist_ok=True)
        pathlib.Path("benchmarks/report.txt").write_text("half trained")
        pathlib.Path("trainer.pid.part").write_text(str(os.getpid()))
        os.rename("trainer.pid.part", "trainer.pid")
        while True:
            time.sleep(60)
        """
    )


def dumps(content: str = "dump") -> list[str]:
    """Return a checkpoint command that writes `content` and, so that no two are alike, the time.

    It adds `generation` to the metadata.
    """
    return python(
        """
        import json, os, pathlib, sys, time
        path = os.environ["DXNN_CHECKPOINT_PATH"]
        pathlib.Path(path).write_text(f"{sys.argv[1]} {time.time_ns()}")
        pathlib.Path(path + ".metadata.json").write_text(json.dumps({"generation": 7}))
        """,
        content,
    )


def dumps_slowly(until: str) -> list[str]:
    """Return a checkpoint command that writes half of its dump, and the rest when `until` exists.

    It writes its process id to dumping.pid when the first half is on the disk.
    """
    return python(
        """
        import os, pathlib, sys, time
        with open(os.environ["DXNN_CHECKPOINT_PATH"], "w") as dump:
            dump.write("first half, ")
            dump.flush()
            pathlib.Path(sys.argv[1] + ".pid.part").write_text(str(os.getpid()))
            os.rename(sys.argv[1] + ".pid.part", sys.argv[1] + ".pid")
            while not pathlib.Path(sys.argv[1]).exists():
                time.sleep(0.02)
            dump.write(f"second half {time.time_ns()}")
        """,
        until,
    )
