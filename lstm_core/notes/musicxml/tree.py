"""MusicXML as a tree of elements: archives unpacked, entities refused, by-measure files turned to by-part ones."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
import zipfile

from lstm_core.foundation.errors import ScoreError

MAX_UNZIPPED_BYTES = 64 * 2**20
_DECLARATION = re.compile(r"<!(?:ENTITY|ATTLIST|ELEMENT|NOTATION)")
CONTAINER = "META-INF/container.xml"


class NotCoveredError(Exception):
    """The file holds something that only music21 reads; the message names it."""


def unzipped(data: bytes) -> bytes:
    """The music of an .mxl archive: the root file that its container names, else its first XML file.

    Raises:
        ScoreError: there is none, or a file in it unpacks to more than MAX_UNZIPPED_BYTES.
        zipfile.BadZipFile: it is no archive.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [name for name in archive.namelist() if not name.startswith("META-INF")]
        container = _member(archive, CONTAINER) if CONTAINER in archive.namelist() else b""
        named = [name.decode(errors="replace") for name in re.findall(rb'full-path="([^"]+)"', container)]
        candidates = [name for name in named if name in names]
        candidates += [name for name in names if name.lower().endswith((".xml", ".musicxml"))]
        if not candidates:
            raise ScoreError("the archive holds no MusicXML")
        return _member(archive, candidates[0])


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        content = member.read(MAX_UNZIPPED_BYTES + 1)
    if len(content) > MAX_UNZIPPED_BYTES:
        raise ScoreError(f"unpacks to more than {MAX_UNZIPPED_BYTES / 2**20:.0f} MiB")
    return content


def check_declarations(text: str) -> None:
    """Raises ScoreError when a document declares entities or attributes, which expand to any size; no score needs any.

    The DTD that a DOCTYPE names is not fetched, neither here nor by music21.
    """
    if declaration := _DECLARATION.search(text):
        raise ScoreError(f"broken MusicXML: it contains declarations ({declaration[0][2:]}); remove its DOCTYPE")


def parsed(text: str) -> ET.Element:
    """The root of a score, its music by parts.

    Raises:
        NotCoveredError: the root is neither score-partwise nor score-timewise.
        ET.ParseError: it is not well-formed.
    """
    root = ET.fromstring(text)
    if root.tag == "score-timewise":
        return _by_parts(root)
    if root.tag != "score-partwise":
        raise NotCoveredError(f"a root <{root.tag[:40]}>")
    return root


def _by_parts(root: ET.Element) -> ET.Element:
    """The same score with its measures inside its parts."""
    score = ET.Element("score-partwise", root.attrib)
    parts: dict[str, ET.Element] = {}
    for child in root:
        if child.tag != "measure":
            score.append(child)
            continue
        for part in child.findall("part"):
            name = part.get("id", "")
            if name not in parts:
                parts[name] = ET.SubElement(score, "part", part.attrib)
            ET.SubElement(parts[name], "measure", child.attrib).extend(part)
    return score
