"""stop: what `watch` does at a notice, for a machine that goes down without one."""

from dxnn_agent.commands import save
from dxnn_agent.errors import ExitCode
from dxnn_agent.log import State
from dxnn_agent.machine import notices
from dxnn_agent.machine.notices import Notice
from dxnn_agent.state import run_state
from dxnn_agent.store.context import Context


def stop(context: Context) -> ExitCode:
    """Save this machine's run with reason `shutdown`; nothing to do where none is under way."""
    run = run_state.load(context.settings.state_dir)
    if run is None or run.over:
        return ExitCode.DONE
    notice = Notice(notices.SHUTDOWN, None, "told to stop")
    context.log(State.DETECTED, reason=notice.reason, action=notice.detail, run_id=run.run_id)
    return save.save(context, notice, run)
