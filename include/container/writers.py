"""Programs that leave their names in files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from include.container.source import Notes

__all__ = ["note_writers"]

_SOFTWARE: Final = (
    ("FFmpeg libraries", "export", r"\bLav[cf]\d*|\bffmpeg|\blibav"),
    ("Audacity", "export", r"audacity"),
    ("Adobe (Audition, Premiere)", "export", r"adobe|cool ?edit"),
    ("GoldWave", "export", r"goldwave"),
    ("Sound Forge, Vegas", "export", r"sound ?forge|sony .*vegas|magix"),
    ("WaveLab, Cubase", "export", r"wavelab|cubase|steinberg"),
    ("Pro Tools", "export", r"pro ?tools"),
    ("REAPER", "export", r"\breaper\b"),
    ("Logic, GarageBand", "export", r"logic pro|garageband"),
    ("GOM, Kakao, Pot (Korean converters)", "export", r"\bgom ?(audio|encoder|mix)|곰믹스|카카오 ?인코더|팟인코더"),
    ("HandBrake", "export", r"handbrake"),
    ("GPAC / MP4Box", "export", r"\bgpac|mp4box|isomedia file produced"),
    ("mp4v2, Nero, FAAC, FDK", "export", r"mp4v2|\bnero|\bfaac\b|fdk-?aac"),
    ("SoX", "export", r"\bsox\b"),
    ("iTunes", "export", r"itunes"),
    ("LAME", "export", r"\blame ?\d|\blame\b"),
    ("NCH (Switch, WavePad)", "export", r"wavepad|nch software|switch sound"),
    ("libsndfile", "export", r"libsndfile"),
    ("Apple Voice Memos", "recorder", r"voice ?memos?"),
    ("Apple Core Media", "platform", r"core media"),
    ("Android", "platform", r"android|stagefright"),
    ("Samsung", "recorder", r"samsung|\bsm-[a-z]\d{3}"),
)  # fmt: skip
_KNOWN: Final = tuple((name, kind, re.compile(pattern, re.IGNORECASE)) for name, kind, pattern in _SOFTWARE)


def note_writers(notes: Notes) -> None:
    """Note which known programs the tags seen so far name, and that there are several when there are."""
    seen: dict[str, tuple[str, list[str]]] = {}
    for kind, where, values in list(notes.taken):
        if kind == "tag.encoder":
            text = values.get("text", "")
        elif kind == "bmff.handler":
            text = values.get("name", "")
        elif kind == "tag.other" and values.get("tag", "").startswith(("com.", "©mak", "©mod", "auth", "smt")):
            text = f"{values.get('tag')} {values.get('text', '')}"
        else:
            continue
        for name, sort, pattern in _KNOWN:
            if pattern.search(text):
                seen.setdefault(name, (sort, []))[1].append(f"{where}: {text}")
    for name, (sort, places) in seen.items():
        told = {f"{index + 1}": place for index, place in enumerate(places[:10])}
        notes.add(f"writer.{sort}", places[0].split(": ")[0], software=name, **told)
    # a phone's own recording names its system and its maker: a platform is no program of its own
    programs = [name for name, (sort, _) in seen.items() if sort != "platform"]
    if len(programs) > 1:
        notes.add("writer.several", "file", software=", ".join(programs))
