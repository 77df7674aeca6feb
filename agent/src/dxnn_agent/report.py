"""Telling a user what went wrong: one line, an exit code, and a traceback only when asked for."""

import sys
import traceback

from dxnn_agent.errors import AgentError, ExitCode


def report(error: BaseException, *, debug: bool) -> ExitCode:
    """Show an error on stderr and return the exit code that goes with it."""
    if isinstance(error, (KeyboardInterrupt, BrokenPipeError)):
        return ExitCode.UNEXPECTED
    if debug:
        traceback.print_exception(error)
    if isinstance(error, AgentError):
        print(f"dxnn-agent: {error}", file=sys.stderr)
        return error.exit_code
    name = type(error).__name__
    print(f"dxnn-agent: {name}: {error} (--debug shows where)", file=sys.stderr)
    return ExitCode.UNEXPECTED
