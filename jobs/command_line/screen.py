"""What commands show: tables and lines in which text of users, corpora and clusters is text and nothing else."""

from __future__ import annotations

import unicodedata
from typing import Any

from rich.console import Console
from rich.text import Text


def visible(text: str, *, keep: str = "") -> str:
    """The text with what a terminal would act on, or not show, written out as Python does; not what is in `keep`."""
    return "".join(
        character
        if character.isprintable() or character in keep or unicodedata.category(character) == "Zs"
        else character.encode("unicode_escape").decode()
        for character in text
    )


def heading(word: str, rest: str) -> Text:
    """A line that begins with a word in bold."""
    return Text.assemble((word, "bold"), f" {visible(rest)}")


class Screen(Console):
    """Standard output; square brackets in a text are no markup, colons no emoji, and numbers get no colour."""

    def __init__(self) -> None:
        super().__init__(markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """A text, also that of a cell of a table, without control characters."""
        return super().render_str(visible(text), **options)
