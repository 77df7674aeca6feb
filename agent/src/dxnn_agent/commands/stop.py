"""stop: what `watch` does at a notice, for a machine that goes down without one."""

from dxnn_agent.commands import save
from dxnn_agent.errors import ExitCode
from dxnn_agent.log import Log, State
from dxnn_agent.machine import notices
from dxnn_agent.machine.notices import Notice
from dxnn_agent.settings import Settings
from dxnn_agent.state import run_state


def stop(settings: Settings, log: Log) -> ExitCode:
    """Save this machine's run with reason `shutdown`; nothing to do where none is under way."""
    run = run_state.load(settings.state_dir)
    if run is None or run.over:
        return ExitCode.DONE
    found = Notice(notices.SHUTDOWN, None, "told to stop")
    log(State.DETECTED, reason=found.reason, action=found.detail, run_id=run.run_id)
    return save.save(settings, log, found, run)
