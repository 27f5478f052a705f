"""Make the sample calls with flite (two synthetic voices): ``make samples``.

Every word is written here; no recording of a person is used. The .m4a files are committed so that a demo needs
no speech synthesis.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RATE = 16_000
PAUSE_S = 0.6
A, B = "rms", "slt"

CALLS: dict[str, tuple[bool, list[tuple[str, str]]]] = {
    # name: (a party per channel?, turns)
    "booking": (
        False,
        [
            (A, "Good morning. This is the city dental clinic. How can I help you?"),
            (B, "Hello. I would like to change my appointment from Tuesday to Thursday, please."),
            (A, "Certainly. We have ten thirty in the morning or four in the afternoon."),
            (B, "Four in the afternoon is perfect. The traffic in the morning is killing me."),
            (A, "I know what you mean. So, Thursday at four. Please bring your insurance card."),
            (B, "I will. Thank you very much, and have a nice day."),
        ],
    ),
    "threat": (
        False,
        [
            (B, "Hello? Who is this?"),
            (A, "You know who this is. I heard that you went to the police again."),
            (B, "Please stop calling me. I only told them what happened."),
            (A, "If you talk to the police again, I will kill you. Do you hear me?"),
            (B, "I am going to hang up now. Please leave me alone."),
            (A, "I know where you live."),
        ],
    ),
    "extortion_stereo": (
        True,
        [
            (A, "Listen carefully. I have the video from last summer."),
            (B, "What video? I do not know what you are talking about."),
            (A, "Send me five thousand dollars by Friday, or I will send the video to your boss."),
            (B, "I do not have that kind of money. Please do not do this."),
            (A, "You have three days. Do not tell anyone about this call."),
        ],
    ),
}


def speak(voice: str, text: str, folder: Path) -> np.ndarray:
    """One turn as int16 samples at 16 kHz."""
    path = folder / "turn.wav"
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
    with wave.open(str(path)) as file:
        if file.getframerate() != RATE:
            sys.exit(f"flite's voice {voice} speaks at {file.getframerate()} Hz, expected {RATE}.")
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def make(name: str, stereo: bool, turns: list[tuple[str, str]]) -> Path:
    """Write ``{name}.m4a``; a faint noise floor keeps the pauses from being digital silence."""
    rng = np.random.default_rng(7)
    with tempfile.TemporaryDirectory() as folder:
        spoken = [(voice, speak(voice, text, Path(folder))) for voice, text in turns]
        total = sum(len(audio) for _, audio in spoken) + int(PAUSE_S * RATE) * (len(turns) + 1)
        call = rng.normal(0, 12, (total, 2))
        position = int(PAUSE_S * RATE)
        for voice, audio in spoken:
            call[position : position + len(audio), 0 if voice == A else 1] += audio * 0.7
            position += len(audio) + int(PAUSE_S * RATE)
        mixed = call if stereo else call.sum(axis=1, keepdims=True)
        pcm = np.clip(mixed, -32768, 32767).astype("<i2").tobytes()
        target = HERE / f"{name}.m4a"
        subprocess.run(
            [
                "ffmpeg", "-v", "error", "-y", "-f", "s16le", "-ar", str(RATE), "-ac", str(mixed.shape[1]), "-i", "-",
                "-c:a", "aac", "-b:a", "48k", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact",
                str(target),
            ],
            input=pcm, check=True,
        )  # fmt: skip
    return target


def main() -> None:
    """Make every sample."""
    for tool in ("flite", "ffmpeg"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed; apt-get install {tool}.")
    for name, (stereo, turns) in CALLS.items():
        print(make(name, stereo, turns))


if __name__ == "__main__":
    main()
