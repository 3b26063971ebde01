"""What notebooks show: well-formed HTML of the first rows, whose numbers are those of the distribution."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from sklearn_mdn import MixtureDistribution
from sklearn_mdn._distributions.html import FIRST_ROWS, FIRST_TARGETS, HEIGHT, POINTS, WIDTH, table
from sklearn_mdn.metrics import distribution_report
from tests._distributions.cases import joint

SVG = "{http://www.w3.org/2000/svg}"


def parsed(html):
    return ElementTree.fromstring(f"<div>{html}</div>")


def cells(html):
    """The texts of the rows in the body of a table."""
    return [[cell.text for cell in row] for row in parsed(html).iterfind("table/tbody/tr")]


def one_target(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    weights, means = rng.dirichlet(np.ones(3), n_rows), rng.normal(size=(n_rows, 3))
    return MixtureDistribution(weights, means, rng.uniform(0.01, 2.0, (n_rows, 3)))


@pytest.mark.parametrize("n_rows", [0, 1, FIRST_ROWS, FIRST_ROWS + 2])
def test_first_rows_are_shown_and_the_others_counted(n_rows):
    distribution = one_target(n_rows) if n_rows else one_target(1)[:0]
    html = distribution._repr_html_()
    shown = cells(html)
    assert len(shown) == min(n_rows, FIRST_ROWS)
    assert parsed(html).findtext("table/caption") == repr(distribution).strip("<>")
    assert parsed(html).findtext("p") == ("2 more rows" if n_rows > FIRST_ROWS else None)
    for i, (row, *numbers, _) in enumerate(shown):
        one = distribution[i]
        expected = [one.mean()[0], one.std()[0], *one.ppf([0.05, 0.95])]
        assert row == str(i)
        np.testing.assert_allclose([float(number) for number in numbers], expected, rtol=1e-3)


@pytest.mark.parametrize("n_targets", [1, 2, FIRST_TARGETS + 1])
def test_each_target_has_a_line(n_targets):
    weights, means, _, covariances = joint("full", n_targets)
    distribution = MixtureDistribution(weights, means, covariances)
    shown = cells(distribution._repr_html_())
    few = min(n_targets, FIRST_TARGETS)
    assert [row[:2] for row in shown] == [[str(i), str(j)] for i in range(3) for j in range(few)]
    means = [float(row[2]) for row in shown]
    np.testing.assert_allclose(means, distribution.mean()[:, :few].ravel(), rtol=1e-3)
    assert ("1 more target" in distribution._repr_html_()) == (n_targets > few)


def test_a_picture_is_the_density():
    """Each point of the outline lies at the height of the density, narrow peaks are not missed."""
    narrow = MixtureDistribution([[0.5, 0.5]], [[-5.0, 5.0]], [[1e-8, 1.0]])
    for distribution in (one_target(4), narrow):
        svgs = list(parsed(distribution._repr_html_()).iter(f"{SVG}svg"))
        start, stop = distribution.ppf(0.005).min(), distribution.ppf(0.995).max()
        for i, svg in enumerate(svgs):
            outline = svg.findall(f"{SVG}path")[1].get("d")
            points = np.array(
                [[float(n) for n in pair.split(",")] for pair in outline[1:-2].split(" L")][: 2 * POINTS]
            )
            assert points.min() >= 0
            assert (points <= [WIDTH, HEIGHT]).all()
            assert points[:, 1].min() == 2.0  # the highest point, wherever it is
            density = distribution[i].pdf(start + points[:, 0] / WIDTH * (stop - start))
            if distribution is not narrow:  # whose peak is narrower than the rounding of a place
                up = (HEIGHT - 1 - points[:, 1]) / (HEIGHT - 3)
                np.testing.assert_allclose(up, density / density.max(), atol=0.05)


@pytest.mark.parametrize("spread", [1e-300, 1e-150, 1e150])
def test_extreme_scales_are_well_formed(spread):
    distribution = MixtureDistribution([[1.0]], [[0.0]], [[spread]])
    html = distribution._repr_html_()
    assert "nan" not in html
    assert "inf" not in html
    assert len(cells(html)) == 1


def test_text_is_escaped():
    html = table("<b>", ["<i>"], [["&amp;", "1"]], "<script>")
    assert {"&lt;b&gt;", "&lt;i&gt;", "&lt;script&gt;"} <= set(
        html.replace("<", " <").replace(">", "> ").split()
    )
    assert parsed(html).findtext("table/caption") == "<b>"
    report = distribution_report(np.zeros(20), one_target(20))
    report["<script>alert(1)</script>"] = 1.0
    assert "<script>" not in report._repr_html_()
    assert cells(report._repr_html_())[-1][0] == "<script>alert(1)</script>"


@pytest.mark.parametrize("n_targets", [1, 2])
def test_a_report_shows_the_table_that_it_prints(n_targets):
    weights, means, _, covariances = joint("full", n_targets)
    distribution = MixtureDistribution(weights, means, covariances)
    report = distribution_report(distribution.mean(), distribution)
    head, *lines = repr(report).splitlines()
    shown = cells(report._repr_html_())
    assert [" ".join(filter(None, row)) for row in shown] == [" ".join(line.split()) for line in lines]
    names = [cell.text for cell in parsed(report._repr_html_()).iterfind("table/thead/tr/th")]
    assert " ".join(filter(None, names)) == " ".join(head.split())
