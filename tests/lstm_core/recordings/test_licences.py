"""What tags say of a licence, in one spelling."""

from __future__ import annotations

import pytest

from lstm_core.recordings.licences import MAX_LETTERS, known_licence, licence_of_tags
from lstm_core.recordings.tags import clean_tags


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("http://creativecommons.org/licenses/by-sa/3.0/", "CC-BY-SA-3.0"),
        ("https://creativecommons.org/licenses/by/4.0/legalcode", "CC-BY-4.0"),
        ("2009 A Band. Licensed under http://creativecommons.org/licenses/by-nc/2.5/ by x.org", "CC-BY-NC-2.5"),
        ("https://creativecommons.org/licenses/by-nd-nc/1.0/", "CC-BY-NC-ND-1.0"),
        ("http://creativecommons.org/licenses/by-nc-sa/2.0/de/", "CC-BY-NC-SA-2.0-DE"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "Public domain"),
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("cc-by 3.0", "CC-BY-3.0"),
        ("CC_BY_NC_ND", "CC-BY-NC-ND"),
        ("CC0", "CC0"),
        ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"),
        ("Creative Commons Zero v1.0", "CC0-1.0"),
        ("Creative Commons Attribution 4.0 International", "CC-BY-4.0"),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 3.0 Unported", "CC-BY-NC-SA-3.0"),
        ("Creative Commons Attribution Non Commercial No Derivatives License (4.0)", "CC-BY-NC-ND-4.0"),
        ("Creative Commons Attribution-ShareAlike: https://creativecommons.org/licenses/by-sa/3.0/", "CC-BY-SA-3.0"),
        ("CC BY 3.0, http://creativecommons.org/licenses/by/3.0/us/", "CC-BY-3.0-US"),
        ("public domain", "Public domain"),
        ("This work is in the Public Domain.", "Public domain"),
        ("PD", "Public domain"),
    ],
)  # fmt: skip
def test_common_licences_have_one_spelling(text: str, licence: str) -> None:
    assert known_licence(text) == licence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(C) 2011 A Label. All rights reserved.",
        "not in the public domain",
        "Public domain (J. S. Bach); encoding by somebody else",
        "CC BY 3.0 or CC BY-SA 3.0, as you like",
        "BY-NC",
        "accby 4.0",
    ],
)
def test_what_is_no_known_licence_is_not_made_one(text: str) -> None:
    """A licence for the part of a text would be a licence that was never granted."""
    assert known_licence(text) is None


def test_the_licence_tag_goes_first_then_what_is_known_then_the_notice() -> None:
    by = "https://creativecommons.org/licenses/by/4.0/"
    notice = "(C) 2011 A Label"
    assert licence_of_tags({"license": "CC0", "copyright": notice, "comment": by}) == "CC0"
    assert licence_of_tags({"license": "Ask me  first", "comment": by}) == "Ask me first"
    assert licence_of_tags({"copyright": notice, "comment": by}) == "CC-BY-4.0"
    assert licence_of_tags({"copyright": notice, "comment": "nice tune"}) == notice
    assert licence_of_tags({"title": "CC0", "comment": "nice tune"}) is None
    assert licence_of_tags({"copyright": "x" * 1000}) == "x" * MAX_LETTERS
    assert licence_of_tags(clean_tags({"WCOP": by, "TCOP": notice})) == "CC-BY-4.0"
