"""The end of a run: facts, the plan that is decided from them, and its execution."""
