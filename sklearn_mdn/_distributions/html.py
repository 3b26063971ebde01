"""What notebooks show of a distribution: a small table of its first rows, with a picture of each density."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

FIRST_ROWS, FIRST_TARGETS = 5, 3
WIDTH, HEIGHT, POINTS = 160, 28, 48
ENDS = (0.005, 0.995)  # levels between which a density is drawn


class Shown(Protocol):
    """What is asked of a distribution to show it."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> Self: ...

    def mean(self) -> NDArray[np.float64]: ...

    def std(self) -> NDArray[np.float64]: ...

    def ppf(self, q: ArrayLike) -> NDArray[np.float64]: ...

    def pdf(self, y: ArrayLike) -> NDArray[np.float64]: ...

    def marginal(self, targets: int) -> Self: ...


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """An HTML table. Caption, head and note are text; cells are HTML, so what is no number is escaped."""
    title = f'<caption style="text-align: left">{escape(caption)}</caption>' if caption else ""
    lines = [f"<table>{title}"]
    cells = "".join(f'<th scope="col" style="text-align: right">{escape(name)}</th>' for name in head)
    lines.append(f"<thead><tr>{cells}</tr></thead><tbody>")
    for first, *rest in rows:
        cells = "".join(f'<td style="text-align: right">{cell}</td>' for cell in rest)
        lines.append(f'<tr><th scope="row" style="text-align: right">{first}</th>{cells}</tr>')
    return "\n".join([*lines, "</tbody></table>", *([f"<p>{escape(note)}</p>"] if note else [])])


def rows_as_html(distribution: Shown) -> str:
    """The first rows of a distribution: mean, deviation, 90 % interval and density of each target."""
    n_rows, shown = len(distribution), distribution[:FIRST_ROWS]
    head, lines, left_out = ["row", "mean", "std", "5 %", "95 %", "density"], [], []
    if n_rows:
        axes = shown.mean().shape[1:]
        targets = [shown] if not axes else [shown.marginal(j) for j in range(axes[0])][:FIRST_TARGETS]
        if axes:
            head.insert(1, "target")
        answers = [_lines(target) for target in targets]
        for i in range(len(shown)):
            for j, answer in enumerate(answers):
                lines.append([str(i), *([str(j)] if axes else []), *answer[i]])
        more = {"row": n_rows - len(shown), "target": (axes or (1,))[0] - len(targets)}
        left_out = [f"{count} more {what}{'s' * (count > 1)}" for what, count in more.items() if count]
    return table(repr(distribution).strip("<>"), head, lines, ", ".join(left_out))


def _lines(target: Any) -> list[list[str]]:
    """Cells of each row of a 1-d target."""
    low, high = target.ppf(0.05), target.ppf(0.95)
    numbers = np.stack([target.mean(), target.std(), low, high], axis=1)
    start, stop = target.ppf(ENDS[0]).min(), target.ppf(ENDS[1]).max()
    # A grid on all of the axis, and quantiles, so that no narrow peak falls between two points.
    levels = np.linspace(*ENDS, POINTS)[:, np.newaxis]
    grid = np.broadcast_to(np.linspace(start, stop, POINTS)[:, np.newaxis], (POINTS, len(target)))
    places = np.sort(np.concatenate([grid, target.ppf(levels)]), axis=0)
    heights = target.pdf(places)
    return [
        [*(f"{number:.4g}" for number in row), _picture(x, height, start, stop)]
        for row, x, height in zip(numbers, places.T, heights.T, strict=True)
    ]


def _picture(x: NDArray[np.float64], density: NDArray[np.float64], start: float, stop: float) -> str:
    """The density along an axis from ``start`` to ``stop``, as inline SVG in the colour of the text."""
    across = (x - start) / (stop - start) if stop > start else np.full_like(x, 0.5)
    highest = density.max(initial=0.0, where=np.isfinite(density))
    up = np.clip(np.nan_to_num(density / highest if highest > 0.0 else density, posinf=1.0), 0.0, 1.0)
    places = zip(WIDTH * across, HEIGHT - 1 - (HEIGHT - 3) * up, strict=True)
    line = " L".join(f"{left:.1f},{top:.1f}" for left, top in places)
    ground = f"{WIDTH * across[-1]:.1f},{HEIGHT - 1} L{WIDTH * across[0]:.1f},{HEIGHT - 1}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="density from {start:.4g} to {stop:.4g}">'
        f'<path d="M0,{HEIGHT - 1} L{WIDTH},{HEIGHT - 1}" stroke="currentColor" stroke-opacity="0.3"/>'
        f'<path d="M{line} L{ground} Z" fill="currentColor" fill-opacity="0.25" stroke="currentColor"/></svg>'
    )
