"""What systemd makes of an EnvironmentFile, for the part of its syntax that the module writes."""

import re

# systemd.exec(5), EnvironmentFile=: within double quotes a backslash keeps one of these as it is,
# and stays before anything else. Nothing is expanded.
_LINE = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\`$]|\\.)*)"')
_ESCAPED = re.compile(r'\\(["\\`$])')


def parse(text: str) -> dict[str, str]:
    """Return the variables; raises ValueError for a line that is more than `NAME="VALUE"`."""
    variables: dict[str, str] = {}
    for line in text.split("\n")[:-1]:
        found = _LINE.fullmatch(line)
        if found is None:
            raise ValueError(f'not NAME="VALUE": {line}')
        variables[found[1]] = _ESCAPED.sub(r"\1", found[2])
    return variables
