"""Lets `python -m dxnn_agent` do what `dxnn-agent` does."""

from dxnn_agent.cli import main

main()
