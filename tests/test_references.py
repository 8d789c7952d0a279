"""Every reference key in a docstring is explained, every explained key is used, and every P-number is a proposition."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEY = re.compile(r"\b[A-Z][A-Za-z]+(?:19|20)\d\d\b")
BRACKETS = re.compile(r"\[([^\]\n]{1,80})\]")
PROPOSITION = re.compile(r"\bP\d+\b")


def sources() -> str:
    """The code and pages of package and experiments."""
    files = [
        path for part in ("bayes_guided", "experiments") for kind in ("*.py", "*.md") for path in (ROOT / part).rglob(kind)
    ]
    return "\n".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *files])


def test_keys_are_those_of_the_list():
    used = {key for inside in BRACKETS.findall(sources()) for key in KEY.findall(inside)}
    listed = re.findall(r"^\* \[(\w+)\]", (ROOT / "theory" / "REFERENCES.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(used) > 20
    assert sorted(listed) == listed == sorted(used)


def test_propositions_are_those_of_the_theory():
    known = set(PROPOSITION.findall((ROOT / "theory" / "README.md").read_text(encoding="utf-8")))
    cited = re.findall(r"\((P\d+(?:, P\d+)*)\)", sources())
    assert len(cited) > 100
    assert {number for group in cited for number in group.split(", ")} <= known
