"""The picture of the guide's page on targets: ``python doc/targets_picture.py`` writes it to doc/_static/.

What was recorded of six kinds of targets, and the densities, or probabilities, that networks predict.
"""

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from front_picture import FOLDER, STYLES
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from sklearn_mdn import MDNRegressor

N_ROWS, N_DRAWN = 1500, 400
SOFTENED = 0.6  # the power of the densities that is shown
GRID = np.linspace(0.0, 1.0, 121)


def two_answers(rng):
    """x, and z that rises or falls with it."""
    x = rng.uniform(0, 1, N_ROWS)
    z = rng.choice([-1.0, 1.0], N_ROWS, p=[0.4, 0.6]) * (0.3 + 1.2 * x) + rng.normal(0, 0.25, N_ROWS)
    return x, z


def kinds(rng):
    """By title: options of the network, x, y, y_upper if there is one, and the heights that are shown."""
    x, z = two_answers(rng)
    end = rng.uniform(0.5, 9, N_ROWS)
    time = np.exp(0.5 + 0.7 * z)
    rain = np.maximum(1.5 * z + 2 * x - 1, 0)
    return {
        "positive\nsupport='positive'": ({"support": "positive"}, x, np.exp(z), None, (0, 5.5)),
        "bounded\nsupport=(0, 1)": ({"support": (0, 1)}, x, 1 / (1 + np.exp(-2 * z)), None, (0, 1)),
        "rounded\nresolution=0.5": ({"resolution": 0.5}, x, np.round(2 * z) / 2, None, (-2.75, 2.75)),
        "counted\nsupport='positive', resolution=1": (
            {"support": "positive", "resolution": 1},
            x,
            rng.poisson(np.exp(1.2 + 0.8 * z)).astype(float),
            None,
            (-0.5, 15.5),
        ),
        "censored\nfit(X, y, y_upper=...)": (
            {},
            x,
            np.minimum(time, end),
            np.where(time > end, np.inf, time),
            (0, 9),
        ),
        "with a spike at a bound\nlimits=(0, None)": ({"limits": (0, None)}, x, rain, None, (-1, 4)),
    }


def fitted(options, x, y, y_upper):
    model = MDNRegressor(3, hidden_layer_sizes=(32,), max_iter=100, random_state=0, **options)
    return model.fit(x[:, None], y, y_upper=y_upper).predict_distribution(GRID[:, None])


def draw_density(axis, density, options, ends, shades):
    """Densities, or probabilities of the values of a grid, as deep as they are high beside others of an x."""
    step = options.get("resolution")
    if step is not None:
        values = np.arange(ends[0] + step / 2, ends[1], step)
        shown = density.probabilities(values).T
        edges = np.append(values - step / 2, ends[1])
        wide = np.append(GRID - 0.5 * GRID[1], GRID[-1] + 0.5 * GRID[1])
        axis.pcolormesh(wide, edges, (shown / shown.max(axis=0)) ** SOFTENED, cmap=shades)
        return
    heights = np.linspace(max(ends[0], 1e-3 if "limits" in options else ends[0] + 1e-4), ends[1] - 1e-4, 250)
    shown = density.pdf(heights[:, None])
    axis.pcolormesh(GRID, heights, (shown / shown.max(axis=0)) ** SOFTENED, cmap=shades, shading="gouraud")


def draw_atom(axis, density, low, style):
    """The probability of the bound as a band below it."""
    share = density.atoms()[1][:, 0]
    axis.fill_between(GRID, low - 0.1 - 0.9 * share, low - 0.1, color=style["line"], linewidth=0, alpha=0.8)
    axis.set_yticks(range(5))
    axis.text(0.98, low - 0.95, "probability of 0", fontsize=8, ha="right", va="bottom")


def draw(style, targets, densities):
    colors = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), style["text"])
    shades = LinearSegmentedColormap.from_list("density", [style["ground"], style["dense"]])
    with mpl.rc_context({**colors, "axes.edgecolor": style["text"], "font.size": 9, "axes.titlesize": 9.5}):
        figure, axes = plt.subplots(2, 3, figsize=(10, 6.4), sharex=True)
        figure.subplots_adjust(left=0.04, right=0.985, top=0.92, bottom=0.075, wspace=0.14, hspace=0.26)
        figure.set_facecolor(style["ground"])
        for axis, (title, (options, x, y, y_upper, ends)) in zip(axes.flat, targets.items(), strict=True):
            axis.set_facecolor(style["ground"])
            axis.spines[["top", "right"]].set_visible(False)
            draw_density(axis, densities[title], options, ends, shades)
            some = slice(N_DRAWN)
            seen = np.full(N_ROWS, True) if y_upper is None else y_upper == y
            dots = {"color": style["rows"], "markersize": 2.5, "linestyle": "none"}
            inside = (y[some] >= ends[0]) & (y[some] <= ends[1])
            for marker, which in ((".", seen[some] & inside), ("^", ~seen[some] & inside)):
                axis.plot(x[some][which], y[some][which], marker=marker, **dots)
            axis.plot(GRID, densities[title].median(), color=style["line"], linewidth=1.5)
            if "limits" in options:
                draw_atom(axis, densities[title], 0.0, style)
            axis.set(xlim=(0, 1), ylim=ends, title=title)
        for axis in axes[1]:
            axis.set_xlabel("x")
    return figure


def main():
    targets = kinds(np.random.default_rng(0))
    densities = {title: fitted(*target[:4]) for title, target in targets.items()}
    for name, style in STYLES.items():
        file = FOLDER / f"targets-{name}.png"
        draw(style, targets, densities).savefig(file, dpi=110)
        Image.open(file).convert("RGB").quantize(64).save(file, optimize=True)


if __name__ == "__main__":
    main()
