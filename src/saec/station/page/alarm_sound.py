"""The sound of an alarm: two soft tones, computed, so that no recording has to be carried."""

from __future__ import annotations

import io
import math
import struct
import wave

_RATE = 16_000
_TONES = ((880.0, 0.0), (659.3, 0.28))
"""Hertz and begin in seconds: a fifth down, A to E."""

_SECONDS, _FADE = 0.9, 7.0


def alarm_wav() -> bytes:
    """A WAV file of 0.9 s, mono, 16 bit, 16 kHz; each tone fades as a struck bar does."""
    samples = [_level(n / _RATE) for n in range(int(_RATE * _SECONDS))]
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(struct.pack(f"<{len(samples)}h", *(round(20_000 * level) for level in samples)))
    return out.getvalue()


def _level(at: float) -> float:
    """The level in -1..1 at a time in seconds."""
    total = 0.0
    for hertz, begin in _TONES:
        if at >= begin:
            past = at - begin
            rise = min(1.0, past / 0.005)
            total += rise * math.exp(-_FADE * past) * math.sin(2 * math.pi * hertz * past)
    return max(-1.0, min(1.0, 0.7 * total))
