"""The picture of the front page and of the README: ``python doc/front_picture.py`` writes it to doc/_static/.

The mean, which a regression predicts, beside the density, on data with several answers (Bishop, 1994).
"""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from sklearn_mdn import MDNRegressor

FOLDER = Path(__file__).parent / "_static"
STYLES = {
    "light": {"ground": "white", "text": "#222222", "rows": "#7a7a7a", "dense": "#1f5a96", "line": "#b3420e"},
    "dark": {
        "ground": "#14181e",
        "text": "#ced6dd",
        "rows": "#8d949b",
        "dense": "#9ccdf5",
        "line": "#f2b134",
    },
}


def readings(n_rows):
    rng = np.random.default_rng(0)
    y = rng.uniform(0, 1, n_rows)
    return (y + 0.3 * np.sin(2 * np.pi * y) + rng.normal(0, 0.05, n_rows))[:, None], y


def draw(style, X, y, density, grid, heights):
    colors = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), style["text"])
    shades = LinearSegmentedColormap.from_list("density", [style["ground"], style["dense"]])
    with mpl.rc_context({**colors, "axes.edgecolor": style["text"], "font.size": 11, "axes.titlesize": 12}):
        figure, axes = plt.subplots(1, 2, figsize=(9, 3.7), sharey=True, layout="constrained")
        figure.set_facecolor(style["ground"])
        for axis in axes:
            axis.set_facecolor(style["ground"])
            axis.spines[["top", "right"]].set_visible(False)
            axis.set(xlim=(0, 1), ylim=(-0.05, 1.05), xlabel="x")
        axes[0].plot(X[:600, 0], y[:600], ".", color=style["rows"], markersize=3)
        axes[0].plot(grid, density.mean(), color=style["line"], linewidth=2.5)
        axes[0].set(title="A regression: one number for each x", ylabel="y")
        pdf = density.pdf(heights[:, None])
        axes[1].pcolormesh(grid, heights, pdf / pdf.max(axis=0), cmap=shades, shading="gouraud")
        for x in (0.25, 0.5, 0.75):
            column = pdf[:, np.abs(grid - x).argmin()]
            axes[1].plot(x + 0.11 * column / column.max(), heights, color=style["line"], linewidth=1.5)
        axes[1].set_title("A density: every answer, and how likely")
    return figure


def main():
    X, y = readings(3000)
    grid, heights = np.linspace(0, 1, 200), np.linspace(-0.05, 1.05, 250)
    model = MDNRegressor(n_estimators=3, max_iter=150, random_state=0).fit(X, y)
    density = model.predict_distribution(grid[:, None])
    for name, style in STYLES.items():
        file = FOLDER / f"front-{name}.png"
        draw(style, X, y, density, grid, heights).savefig(file, dpi=130)
        Image.open(file).convert("RGB").quantize(64).save(file, optimize=True)


if __name__ == "__main__":
    main()
