"""Dots with whiskers as SVG: they print, weigh little and need no script."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, MARGIN = 760, 12
ROW, AXIS = 44, 26  # heights in pixels
LONGEST_LABEL = 80
MOST_TICKS = 7


@dataclass(frozen=True)
class Row:
    """One dot: what it is, its value in words, and where it and its whiskers' ends stand."""

    label: str
    told: str
    mean: float
    low: float
    high: float
    colour: str
    filled: bool = True


def whiskers(
    rows: Sequence[Row], title: str, number: Callable[[float, int], str], zero: bool = False
) -> str:
    """One line of a chart per row, over an axis whose ticks `number` writes with so many places.

    With `zero`, 0 is on the axis and marked.
    """
    ends = [end for row in rows for end in (row.low, row.high)] + [0.0] * zero
    low, high, step = _axis(min(ends), max(ends))
    height = ROW * len(rows) + AXIS

    def across(value: float) -> float:
        return round(MARGIN + (value - low) / (high - low) * (WIDTH - 2 * MARGIN), 1)

    places = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = [i * step for i in range(first, last + 1)]
    parts = [_tick(across(tick), height, number(tick, places)) for tick in ticks]
    if zero:
        parts.append(f'<path class="zero" d="M{across(0)} 0V{height - AXIS}"/>')
    for place, row in enumerate(rows):
        parts.append(_row(row, place * ROW, across))
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _row(row: Row, top: int, across: Callable[[float], float]) -> str:
    text, line = top + 15, top + 30
    fill = row.colour if row.filled else "#fff"
    label = row.label if len(row.label) <= LONGEST_LABEL else row.label[: LONGEST_LABEL - 1] + "…"
    left, right = across(row.low), across(row.high)
    return (
        f'<text x="{MARGIN}" y="{text}">{escape(label)}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{text}" text-anchor="end">{escape(row.told)}</text>'
        f'<path stroke="{row.colour}" stroke-width="2" fill="none" '
        f'd="M{left} {line}H{right}M{left} {line - 5}v10M{right} {line - 5}v10"/>'
        f'<circle cx="{across(row.mean)}" cy="{line}" r="5" fill="{fill}" '
        f'stroke="{row.colour}" stroke-width="2"/>'
    )


def _tick(x: float, height: int, text: str) -> str:
    return (
        f'<path class="tick" d="M{x} 0V{height - AXIS}"/>'
        f'<text class="tick" x="{x}" y="{height - 9}" text-anchor="middle">{escape(text)}</text>'
    )


def _axis(low: float, high: float) -> tuple[float, float, float]:
    """A little beyond both ends, and the step between ticks: 1, 2 or 5 times a power of ten."""
    room = max((high - low) * 0.06, 0.005)
    low, high = low - room, high + room
    power = 10 ** math.floor(math.log10((high - low) / MOST_TICKS))
    step = next(power * n for n in (1, 2, 5, 10) if (high - low) / (power * n) <= MOST_TICKS)
    return low, high, step
