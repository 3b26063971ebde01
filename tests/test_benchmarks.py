"""The benchmarks run, go on where they stopped, and print what was measured."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from scipy.stats import multivariate_normal, norm
from sklearn.model_selection import KFold

from sklearn_mdn import MDNRegressor, MDNSearchCV, MixtureDistribution

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import _methods  # noqa: E402
import _peers  # noqa: E402
import ablation  # noqa: E402
import density  # noqa: E402
import distribution  # noqa: E402
import more_data  # noqa: E402
import stacking  # noqa: E402
import targets  # noqa: E402
import training  # noqa: E402

N_TEST = 8


@pytest.fixture
def folder(tmp_path):
    """Data of one and of two targets, and results that someone published."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(40, 2))
    y = np.column_stack([X[:, 0] + generator.normal(size=40), 10.0 * generator.normal(size=40)])
    test_index = generator.permutation(40)[: 2 * N_TEST].reshape(2, -1)
    np.savez(tmp_path / "one.npz", X=X, y=y[:, 0], test_index=test_index)
    (tmp_path / "multi").mkdir()
    np.savez(tmp_path / "multi" / "two.npz", X=X, y=y, test_index=test_index)
    lines = ["method,dataset,split,ll,rmse,crps,source"]
    lines += [f"theirs,one,{split},{ll},1.0,,a paper" for split, ll in enumerate([-2.5, -2.0])]
    (tmp_path / density.PUBLISHED).write_text("\n".join(lines) + "\n")
    return tmp_path


def run_density(folder, *arguments) -> list[dict]:
    """Run the command; returns the lines of its results."""
    results = folder / "results.jsonl"
    assert density.main([str(folder), "--results", str(results), "--threads", "1", *arguments]) == 0
    return [json.loads(line) for line in results.read_text().splitlines()]


def run_with_out(main, tmp_path, capsys, arguments: list[str]) -> tuple[str, str]:
    """Run a script with ``--out`` over an older page; returns what it printed and what the page holds."""
    path = tmp_path / "some_data.rst"
    path.write_text("what stood there\n" * 1000)
    capsys.readouterr()
    assert not main([*arguments, "--out", str(path)])
    title, note, tables = re.fullmatch(
        r"(Tables: some data\n=+)\n\n(\.\. [^\n]*)\n\n(.*)\n", path.read_text(encoding="utf-8"), re.DOTALL
    ).groups()
    assert len({len(line) for line in title.splitlines()}) == 1
    assert Path(sys.modules[main.__module__].__file__).name in note
    return capsys.readouterr().out, tables


def simple_tables(text: str) -> list[tuple[str, list[list[str]]]]:
    """Each table as it stands, and its rows of cells."""
    found = re.findall(r"^(=[= ]*)\n(.*)\n\1\n((?:.*\n)*?)\1$", text, re.MULTILINE)
    tables = []
    for rule, header, rows in found:
        starts = [match.start() for match in re.finditer("=+", rule)]
        cells = [
            [line[i:j].strip() for i, j in zip(starts, [*starts[1:], None], strict=True)]
            for line in [header, *rows.splitlines()]
        ]
        tables.append(("\n".join([rule, header, rule, rows + rule]), cells))
    return tables


def table_rows(text: str) -> dict[str, list[str]]:
    """Cells of all tables by the first one; simple tables have two spaces or more between cells."""
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
    return {row[0]: row[1:] for row in cells if len(row) > 1}


def test_density_scores_the_estimator(folder):
    (record,) = run_density(folder, "--data", "one", "--methods", "mdn", "--splits", "1")
    assert (record["data"], record["method"], record["split"]) == ("one", "mdn", 0)
    X, y, X_test, y_test = density.DataSet.read(folder / "one.npz").split(0)
    assert (len(X), len(X_test)) == (40 - N_TEST, N_TEST)
    fitted = MDNRegressor(random_state=0).fit(X, y)
    distribution = fitted.predict_distribution(X_test)
    assert record["log_likelihood"] == pytest.approx(fitted.score(X_test, y_test), rel=1e-6)
    assert record["crps"] == pytest.approx(distribution.crps(y_test).mean(), rel=1e-6)
    assert record["rmse"] == pytest.approx(np.sqrt(np.mean((fitted.predict(X_test) - y_test) ** 2)), rel=1e-6)
    assert record["pit"] == pytest.approx(distribution.cdf(y_test), abs=1e-5)


def test_density_goes_on_where_it_stopped(folder, capsys):
    first = run_density(folder, "--data", "two", "--methods", "gp", "--splits", "1:2")
    capsys.readouterr()
    both = run_density(folder, "--data", "two", "--methods", "gp", "mdn-10-full", "--splits", "0:0")
    assert both == first  # no split, no work
    both = run_density(folder, "--data", "two", "--methods", "gp")
    assert [run["split"] for run in both] == [1, 0]
    assert both[0] == first[0]
    for run in both:
        assert np.shape(run["pit"]) == (N_TEST, 2)
        assert run["energy_score"] > 0.0
    capsys.readouterr()
    assert run_density(folder, "--data", "two", "--methods", "gp") == both
    assert len(table_rows(capsys.readouterr().out)["gp"]) == 10  # the tenths of its PIT values
    arguments = [str(folder), "--results", str(folder / "results.jsonl"), "--data", "two"]
    printed, page = run_with_out(density.main, folder, capsys, arguments)
    assert page == printed.strip()
    shorter, page = run_with_out(density.main, folder, capsys, [*arguments, "--summary"])
    assert page == shorter.strip()
    assert simple_tables(shorter) == simple_tables(printed)[: len(density.COMPARED)]


def test_methods_for_several_targets_leave_one_alone(folder):
    data = density.read_data(folder, ["one"])
    options = density.arguments().parse_args([str(folder), "--methods", "mdn-10-full"])
    records = density.Records(folder / "results.jsonl")
    assert density.run_all(options, data, records) == []
    assert records.methods("one") == []


def test_differences_are_paired(folder, capsys):
    """Splits 0 and 1 of -2 and -3 against published -2.5 and -2, and a third split that only we have."""
    records = density.Records(folder / "results.jsonl")
    scores = {
        "log_likelihood": None,
        "crps": 1.0,
        "energy_score": None,
        "rmse": 1.0,
        "coverage": 1.0,
        "width": 2.0,
    }
    known = {"data": "one", "pit": [0.5], "seconds": 1.0, "versions": {}, "date": "2020-01-01", "threads": 1}
    known |= {"settings": "", "commit": "", **scores}
    for split, value in enumerate([-2.0, -3.0, 7.0]):
        records.add({**known, "method": "mdn", "split": split, "log_likelihood": value})
        records.add({**known, "method": "xgboost", "split": split, "crps": 1.0 + split})
    run_density(folder)
    printed = capsys.readouterr().out
    rows = table_rows(printed)
    assert rows["theirs, published"] == ["-2.250", "-0.250 ± 0.750"]
    assert rows["xgboost, here"] == ["2.000", "-1.000 ± 0.577"]
    assert "3 of its 3 runs were made with other settings" in printed
    assert rows["mdn"][5] == "1.000"  # PIT values of 0.5 are in the sixth tenth
    assert "* Published, a paper: theirs." in printed
    run_density(folder, "--compare", "log_likelihood")
    assert table_rows(capsys.readouterr().out)["one"] == ["0.667 ± 3.180", "–", "-2.250 (theirs)"]
    run_density(folder, "--compare", "rmse")
    assert table_rows(capsys.readouterr().out)["one"] == [
        "1.000 ± 0.000",
        "1.000 (xgboost)",
        "1.000 (theirs)",
    ]
    records.add({**known, "method": "gp", "split": 0, "crps": 0.5})  # fewer splits than xgboost
    records.add({**known, "method": "ngboost", "split": 0, "crps": 2.5})
    for split in (1, 2):
        records.add({**known, "method": "ngboost", "split": split, "crps": 2.5})
    run_density(folder, "--compare", "crps")
    assert table_rows(capsys.readouterr().out)["one"] == ["1.000 ± 0.000", "2.000 (xgboost)", "–"]


def test_stacking_is_a_method():
    X, y = training.bimodal(60, 3)
    search = _methods.mdn_stacking().set_params(param_grid={"max_iter": [1, 2]})
    prediction = _methods.fit_ours(lambda: search)(X, y)(X[:3])
    assert prediction["weights"].shape == prediction["means"].shape == prediction["covariances"].shape
    assert prediction["weights"].sum(axis=1) == pytest.approx(1.0)
    assert search.best_estimator_.predict(X[:3]) == pytest.approx(
        (prediction["weights"] * prediction["means"]).sum(axis=1)
    )


def test_records_survive_a_cut_and_notice_other_settings(folder):
    path = folder / "results.jsonl"
    record = {"data": "one", "method": "mdn", "split": 0, "settings": _methods.METHODS["mdn"].settings}
    density.Records(path).add(record)
    with path.open("a") as file:
        file.write('{"data": "one", "met')
    density.Records(path).add({**record, "split": 1, "settings": "others"})
    records = density.Records(path)
    assert records.has("one", "mdn", 0)
    assert not records.has("one", "mdn", 1)
    assert list(records.of("one", "mdn")) == [0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "yacht"], "has no yacht.npz"),
        (["--methods", "ngboost"], "--environments"),
    ],
)
def test_what_is_missing_is_said(folder, arguments, message):
    with pytest.raises(_peers.BenchmarkError, match=message):
        density.main([str(folder), "--results", str(folder / "none.jsonl"), *arguments])


def test_a_missing_file_is_explained(tmp_path):
    with pytest.raises(_peers.BenchmarkError, match="UCI repository"):
        density.main([str(tmp_path)])


def test_a_failing_method_is_told_of_and_the_next_job_runs(tmp_path):
    X, y = np.zeros((12, 1)), np.arange(12.0)
    with _peers.Worker("gp", None, 1) as worker:
        with pytest.raises(RuntimeError, match="ValueError"):
            worker.run(X * np.nan, y, X)
        worker._process.kill()
        worker._process.wait()
        with pytest.raises(RuntimeError, match="process ended"):
            worker.run(X, y, X)
        prediction, seconds, versions = worker.run(X, y, X[:3])
    assert prediction["means"].shape == (3, 1)
    assert seconds > 0.0
    assert {"python", "scikit-learn"} <= set(versions)


@pytest.mark.parametrize("floor", [0.0, 0.5])
def test_scale_floor_is_a_convolution(floor):
    y = np.array([0.3, -1.0])
    prediction = {"weights": np.ones((2, 1)), "means": np.zeros((2, 1)), "covariances": np.full((2, 1), 0.04)}
    scores = density.score(prediction, y, y, floor)
    assert scores["log_likelihood"] == pytest.approx(norm(0, np.sqrt(0.04 + floor**2)).logpdf(y).mean())
    assert scores["coverage"] == pytest.approx(0.5)  # |0.3| < 1.645 * 0.2 < |-1|, whatever the floor
    joint = {
        "weights": np.ones((2, 1)),
        "means": np.zeros((2, 1, 2)),
        "covariances": np.eye(2) * np.ones((2, 1, 1, 1)),
    }
    points = np.array([[0.0, 1.0], [2.0, 0.5]])
    expected = multivariate_normal(np.zeros(2), np.eye(2) * (1.0 + floor**2)).logpdf(points).mean()
    assert density.score(joint, points, points, floor)["log_likelihood"] == pytest.approx(expected)


def test_quantiles_are_scored_as_equally_likely_values():
    generator = np.random.default_rng(0)
    quantiles = np.sort(generator.normal(size=(3, len(_methods.LEVELS))), axis=1)
    y = np.array([-0.5, 0.0, 9.0])
    scores = density.score({"quantiles": quantiles, "mean": quantiles.mean(axis=1)}, y, y, 0.0)
    grid = np.linspace(-10.0, 10.0, 200_001)
    below = np.array([np.searchsorted(row, grid, side="right") for row in quantiles]) / quantiles.shape[1]
    integrals = ((below - (y[:, None] <= grid)) ** 2).sum(axis=1) * (grid[1] - grid[0])
    assert scores["crps"] == pytest.approx(integrals.mean(), rel=1e-3)
    assert scores["coverage"] == pytest.approx(2 / 3)
    assert np.isclose(_methods.LEVELS, 0.05).any()
    assert np.isclose(_methods.LEVELS, 0.95).any()


def test_independent_targets_multiply():
    generator = np.random.default_rng(0)
    parts = [
        {
            "weights": generator.dirichlet(np.ones(k), size=4),
            "means": generator.normal(size=(4, k)),
            "covariances": generator.uniform(0.1, 1.0, size=(4, k)),
        }
        for k in (2, 3, 1)
    ]
    y = generator.normal(size=(4, 3))
    joint = MixtureDistribution(**_methods.product_mixture(parts))
    expected = sum(MixtureDistribution(**part).logpdf(y[:, i]) for i, part in enumerate(parts))
    assert joint.weights.shape == (4, 6)
    assert joint.logpdf(y) == pytest.approx(expected)


@pytest.mark.parametrize("several", [False, True])
def test_scaling_for_a_method_that_does_not_is_undone(several):
    generator = np.random.default_rng(0)
    X = generator.normal(5.0, 3.0, size=(50, 2))
    y = X * [10.0, 0.1] + 7.0 if several else 10.0 * X[:, 0] + 7.0
    seen = []

    @_methods.standardized
    def marginal(X, y):
        seen.extend([X, y])
        mean, variance = y.mean(axis=0), np.cov(y.T, ddof=0)

        def predict(X):
            spread = np.ones((len(X), *(1,) * (1 + mean.ndim)))
            covariances = np.ones((len(X), 1, *(1,) * variance.ndim)) * variance
            return {"weights": np.ones((len(X), 1)), "means": spread * mean, "covariances": covariances}

        return predict

    prediction = marginal(X, y)(X[:3])
    for values in seen:
        assert values.mean(axis=0) == pytest.approx(0.0, abs=1e-12)
        assert values.std(axis=0) == pytest.approx(1.0)
    assert prediction["means"][0, 0] == pytest.approx(y.mean(axis=0))
    assert prediction["covariances"][0, 0] == pytest.approx(np.cov(y.T, ddof=0))


def test_a_change_is_judged_against_the_defaults_on_inner_rows(folder, monkeypatch, capsys):
    quick = {"max_iter": 10, "early_stopping": False}
    average = {(ablation.loop, "AVERAGING"): 0.0}
    changes = {"defaults": quick, "no change": quick, "a constant": quick | {"constants": average}}
    monkeypatch.setattr(ablation, "CHANGES", changes)
    dataset = density.DataSet.read(folder / "one.npz")
    fit, judged = ablation.inner_rows(dataset, 1, limit=3000)
    assert set(fit) | set(judged) == set(range(40)) - set(dataset.test_index[1])
    assert not set(fit) & set(judged)
    before = ablation.loop.AVERAGING
    arguments = [str(folder), "--data", "one", "--splits", "2", "--members", "1"]
    printed, page = run_with_out(ablation.main, folder, capsys, arguments)
    assert before == ablation.loop.AVERAGING
    assert printed.strip().startswith(page)
    assert "Seconds" in printed.removeprefix(page)
    assert "Seconds" not in page
    rows = table_rows(printed.split("**")[2])
    assert float(rows["defaults"][0]) < 0
    assert rows["no change"] == ["+0.000 ± 0.000"] * 2
    assert "+0.000 ± 0.000" not in rows["a constant"]


# Rows and settings that show a change which 40 rows and 20 epochs would not: "auto" is 64 rows a step for 600
# rows; the learning rates of the first epochs tell how many are planned; no patience outlasts noise; an
# ensemble's factors are smaller than its members' own where these disagree.
SHOWN_BY = {
    "every member's own factor": (40, {"max_iter": 60}),
    "batch_size=32": (600, {"max_iter": 2}),
    "batch_size=128": (600, {"max_iter": 2}),
    "max_iter=100": (40, {"n_iter_no_change": 5}),
    "max_iter=300": (40, {"n_iter_no_change": 5}),
    "n_iter_no_change=30": (40, {"max_iter": 150, "hidden_layer_sizes": 4}),
    "n_iter_no_change=None": (40, {"max_iter": 150, "hidden_layer_sizes": 4}),
    "no names": (600, {"max_iter": 2}),
}


@pytest.mark.parametrize("change", [name for name in ablation.CHANGES if name != "defaults"])
def test_every_line_of_the_ablation_changes_a_fit(change):
    n_rows, setting = SHOWN_BY.get(change, (40, {"max_iter": 20}))
    generator = np.random.default_rng(1)
    X, noise = generator.normal(size=(n_rows, 3)), generator.normal(size=n_rows)
    y = noise * np.abs(noise)  # its tails make gradients long enough to clip
    if change == "no names":
        X[:, 0] = generator.integers(60, size=n_rows)
        y = y + 5.0 * generator.normal(size=60)[X[:, 0].astype(int)]
    changed = dict(ablation.CHANGES[change])
    constants = changed.pop("constants", {})
    known = []
    for parameters, replaced in ((setting, {}), (setting | changed, constants)):
        model = MDNRegressor(n_estimators=5, dtype="float64", random_state=0)
        with ablation.constants(replaced):
            model.set_params(**parameters).fit(X, y)
        density = model.predict_distribution(X).logpdf(y)
        known.append(np.concatenate([*model.loss_curve_, *model.validation_scores_, density]))
    assert known[0].shape != known[1].shape or not np.allclose(*known, rtol=1e-4, atol=0.0)


def test_stacks_of_some_candidates_are_those_of_searches_over_them(folder, capsys, monkeypatch):
    quick = {"n_estimators": 2, "random_state": 0, "max_iter": 2, "hidden_layer_sizes": 4, "dtype": "float64"}
    grid = [{"n_components": [1, 2]}, {"early_stopping": [False], "max_iter": [1]}]
    monkeypatch.setattr(stacking, "STACKING_ESTIMATOR", quick)
    monkeypatch.setattr(stacking, "STACKING_GRID", grid)
    monkeypatch.setattr(stacking, "STACKING_FOLDS", {"n_splits": 3, "shuffle": True, "random_state": 0})
    dataset = density.DataSet.read(folder / "one.npz")
    options = stacking.arguments().parse_args([str(folder)])
    results = stacking.judge(dataset, 0, options)
    fit, judged = ablation.inner_rows(dataset, 0, limit=3000)
    for name, group in {
        "n_components=2": {"n_components": [2]},
        "those that stop early": grid[:1],
        "those trained to the end": grid[1:],
        "all": grid,
    }.items():
        search = MDNSearchCV(
            MDNRegressor(**quick), group, cv=KFold(**stacking.STACKING_FOLDS), refit="stacking"
        )
        search.fit(dataset.X[fit], dataset.y[fit])
        score, coverage, _ = results[name]
        assert score == pytest.approx(search.score(dataset.X[judged], dataset.y[judged]), abs=1e-6)
        assert 0.0 <= coverage <= 1.0
    printed, page = run_with_out(
        stacking.main, folder, capsys, [str(folder), "--data", "one", "--splits", "1"]
    )
    assert simple_tables(page) == simple_tables(printed)[:1]
    rows = table_rows(printed.split("**")[2])
    assert set(rows) >= set(results)
    assert rows["ten networks"] == [f"{results['ten networks'][0]:.3f}", rows["ten networks"][1]]


def test_tables_are_simple_restructuredtext():
    lines = _peers.table(["", "a"], [["long name", "1"], ["x", ""]]).splitlines()
    rule = "=========  ="
    assert lines == [rule, "\\          a", rule, "long name  1", "x          –", rule]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "benchmarks" / "results").glob("*.rst")), ids=lambda p: p.stem
)
def test_pages_are_as_the_scripts_write_them(path, tmp_path):
    """What stands in the tables gives the tables, and what stands on the page the page."""
    text = path.read_text(encoding="utf-8")
    tables = simple_tables(text)
    assert text.count("\n=") == 3 * len(tables) + 1  # all rules but the title's belong to a table
    for found, (header, *rows) in tables:
        assert (
            _peers.table(
                [cell.strip("\\") for cell in header], [[c.strip("\\") for c in row] for row in rows]
            )
            == found
        )
        # A cell that begins as an entry of a list does would be shown as one.
        assert not [cell for row in rows for cell in row if re.match(r"(\d+\.|[-+*])(\s|$)", cell)]
    script = re.search(r"Written by (\w+\.py)", text)[1]
    assert (ROOT / "benchmarks" / script).exists()
    again = tmp_path / path.name
    _peers.write_page(again, script, text.split("changes belong there.")[1])
    assert again.read_text(encoding="utf-8") == text


def test_the_readme_and_the_documentation_have_every_page():
    names = {path.stem for path in (ROOT / "benchmarks" / "results").glob("*.rst")}
    readme = (ROOT / "benchmarks" / "README.rst").read_text(encoding="utf-8")
    documents = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "doc").glob("**/*.rst"))
    assert set(re.findall(r"--out benchmarks/results/(\w+)\.rst", readme)) == names
    assert set(re.findall(r"<results/(\w+)\.rst>", readme)) == names
    assert set(re.findall(r"include:: [./]*/benchmarks/results/(\w+)\.rst", documents)) == names


def test_a_page_that_cannot_be_written_is_refused_before_the_work(folder, capsys):
    with pytest.raises(SystemExit):
        density.main([str(folder), "--out", str(folder / "none" / "page.rst")])
    assert "must be a file in a folder that exists" in capsys.readouterr().err


def test_distribution_prints_every_question(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(distribution, "N_ROWS", 40)
    monkeypatch.setattr(distribution, "measure_memory", lambda: [["hdr", "1", "2"]])
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(variable, "1")  # so that what the script sets is taken back
    arguments = ["--rounds", "1", "--threads", str(torch.get_num_threads()), "--memory"]
    printed, page = run_with_out(distribution.main, tmp_path, capsys, arguments)
    assert page == printed.strip()
    (_, (_, *rows)), (_, memory) = simple_tables(page)
    assert [row[0] for row in rows if row[1] == distribution.OURS] == list(distribution.QUESTIONS)
    assert memory[1:] == [["hdr", "1", "2"]]
    differences = [
        float(row[4]) for row in rows if row[4] != "–" and row[0] != "hdr" and "points" not in row[5]
    ]
    assert len(differences) > 8
    assert max(differences) < 1e-6


def test_peak_memory_is_that_of_the_process_alone():
    held = np.ones(25 * 2**20)  # 200 MiB that the new process does not have
    command = [sys.executable, "-c", "import _peers; print(_peers.peak_mib())"]
    done = subprocess.run(command, cwd=ROOT / "benchmarks", capture_output=True, text=True, check=True)
    assert 0.0 < float(done.stdout) < held.nbytes / 2**20 < _peers.peak_mib()


@pytest.mark.parametrize("installed", [True, False])
def test_progress_with_and_without_rich(installed, monkeypatch, capsys):
    if not installed:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    with _peers.progress(2) as step:
        step("first")
        step("second")
    assert ("2/2 second" in " ".join(capsys.readouterr().err.split())) is not installed


def test_plain_loop_and_stack_train_the_same_network():
    n_plain = sum(parameter.numel() for parameter in training.PlainMDN().parameters())
    X, y = training.bimodal(40, training.N_FEATURES)
    ours = MDNRegressor(
        training.K, hidden_layer_sizes=training.HIDDEN, numerical_embedding=None, max_iter=1, random_state=0
    ).fit(X, y)
    assert sum(layer.size for layer in [*ours.coefs_, *ours.intercepts_]) == n_plain


def test_both_plain_losses_are_the_log_likelihood():
    logits, means, log_scales = torch.randn(3, 4, training.K, generator=torch.Generator().manual_seed(0))
    y = torch.linspace(-1.0, 1.0, 4)
    density_ = MixtureDistribution(
        torch.softmax(logits.double(), 1).numpy(), means.numpy(), log_scales.double().mul(2.0).exp().numpy()
    )
    expected = -density_.logpdf(y.numpy()).mean()
    for loss in (training.distributions_loss, training.written_out_loss):
        assert float(loss(logits, means, log_scales, y)) == pytest.approx(expected, rel=1e-5)


def test_training_prints_every_part(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training, "DEFAULT_FITS", [(40, 3, 2)])
    path = tmp_path / "figures.json"
    arguments = ["--threads", "1", "--repeats", "1", "--json", str(path), "--libraries", "gp"]
    arguments += ["--rows", "40", "--batch-sizes", "32", "--members", "1", "2", "--steps", "2"]
    arguments += [
        "--library-rows",
        "60",
        "--search-rows",
        "60",
        "--search-epochs",
        "1",
        "--search-repeats",
        "1",
    ]
    arguments += ["--jobs", "1", "--large-rows", "200", "--large-epochs", "1", "2"]
    printed, page = run_with_out(training.main, tmp_path, capsys, arguments)
    assert page == printed.strip()
    figures = json.loads(path.read_text())
    (case,) = figures["steps"]
    rows = table_rows(printed)
    micros = case["microseconds_a_step"]
    plain = min(value for name, value in micros.items() if name.startswith("plain loop"))
    stacked = micros["MDNRegressor, n_estimators=2"]
    ratios = [2 * plain / stacked, stacked / micros["MDNRegressor, n_estimators=1"]]
    assert rows["40 rows, 1 thread, batch 32"][:2] == [f"{ratio:.1f}" for ratio in ratios]
    assert [run["data"] for run in figures["libraries"]] == ["diabetes", "bimodal, n = 60"]
    assert rows["MDNSearchCV, 1 thread"]
    assert [run["epochs"] for run in figures["large"]] == [1, 2]
    assert [(run["rows"], run["networks"]) for run in figures["defaults"]] == [(40, 2), (40, 2)]
    assert figures["large"][0]["mib_peak"] >= figures["large"][0]["mib_before"] > 0.0


def test_a_part_can_be_chosen(capsys):
    with pytest.raises(SystemExit):
        training.main(["nothing"])
    assert "PART must be of steps" in capsys.readouterr().err


def test_more_data_are_numbers_without_what_gives_the_target_away():
    frame = pandas.DataFrame(
        {
            "rownames": range(5),
            "size": [1.5, 2.0, np.nan, 4.0, 5.0],
            "new": [True, False, True, False, True],
            "colour": ["red", "blue", "red", "green", "red"],
            "sold": ["yes", "no", "yes", "yes", "no"],
            "same": ["a"] * 5,
            "name": ["a", "b", "c", "d", "e"],
            "price": [10, 20, 30, 0, 50],
            "tax": [1, 2, 3, 0, 5],
        }
    )
    source = more_data.Source("package", "item", "price", log=True, without=("tax", "name"))
    X, y = more_data.arrays_of(frame, source)
    # size, new, red, blue, green (in the order of their numbers), sold; one row lacks a size, one a logarithm
    np.testing.assert_allclose(y, np.log([10, 20, 50]))
    assert X[:, :3].tolist() == [[1.5, 1, 1], [2.0, 0, 0], [5.0, 1, 1]]
    assert sorted(X[:, 3:5].sum(0).tolist()) == [0, 1]
    assert X[:, 5].tolist() in ([1, 0, 0], [0, 1, 1])
    assert X.shape == (3, 6)


def test_more_data_are_read_with_the_floor_they_declare(tmp_path):
    generator = np.random.default_rng(0)
    X, y = generator.normal(size=(60, 2)), 5.0 * generator.normal(size=60)
    arrays = more_data.with_splits(X, y, n_rows=50, n_splits=3)
    np.savez(tmp_path / "item.npz", **arrays)
    dataset = density.DataSet.read(tmp_path / "item.npz")
    assert dataset.X.shape == (50, 2)
    assert [len(set(rows.tolist())) for rows in dataset.test_index] == [5, 5, 5]
    assert {*map(tuple, np.column_stack([dataset.X, dataset.y]))} <= {*map(tuple, np.column_stack([X, y]))}
    assert dataset.scale_floor == pytest.approx(0.01 * dataset.y.std())
    (record,) = run_density(tmp_path, "--methods", "mdn", "--splits", "1")
    assert record["scale_floor"] == dataset.scale_floor


@pytest.mark.parametrize("floor", [0.0, 0.5])
def test_published_log_likelihoods_are_compared_where_there_is_no_floor(folder, floor):
    dataset, published = density.DataSet.read(folder / "one.npz"), density.read_published(folder)
    dataset = replace(dataset, scale_floor=floor)
    expected = {} if floor else {"theirs": {0: -2.5, 1: -2.0}}
    assert density.published_scores(published, dataset, "log_likelihood") == expected
    assert density.published_scores(published, dataset, "rmse") == {"theirs": {0: 1.0, 1: 1.0}}


# Targets


def test_the_compound_poisson_gamma_distribution_has_its_moments():
    mean, dispersion = np.array([0.5, 3.0]), 2.0
    tweedie = targets.Tweedie(mean, dispersion)
    grid = np.linspace(0.0, 200.0, 40_001)
    first = np.trapezoid(tweedie.sf(grid[:, None]), grid, axis=0)
    second = 2.0 * np.trapezoid(grid[:, None] * tweedie.sf(grid[:, None]), grid, axis=0)
    np.testing.assert_allclose(first, mean, rtol=1e-3)
    np.testing.assert_allclose(second - first**2, dispersion * mean**targets.TWEEDIE_POWER, rtol=1e-2)
    y = np.array([1.3, 4.0])
    slope = (tweedie.cdf(y + 1e-5) - tweedie.cdf(y - 1e-5)) / 2e-5
    np.testing.assert_allclose(np.log(slope), tweedie.logpdf(y), rtol=1e-6)
    levels = np.array([[0.5], [0.95]])
    expected = np.maximum(levels, tweedie.cdf(0.0))  # there is an atom at 0
    np.testing.assert_allclose(tweedie.cdf(tweedie.ppf(levels)), expected, atol=1e-3)


def test_survival_functions_are_weighed_for_what_was_censored():
    generator = np.random.default_rng(0)
    times, ends = generator.exponential(size=(2, 4000))
    y, event = np.minimum(times, ends), times <= ends
    known = targets.Targets(y, y, np.where(event, y, np.inf), ~event)
    survival = targets.kaplan_meier(y, event)
    np.testing.assert_allclose(survival(np.array([0.5, 1.0])), np.exp([-0.5, -1.0]), atol=0.03)

    def brier(scale):
        forecast = targets.Frozen(targets.stats.expon(scale=np.full(len(y), scale)))
        return targets.integrated_brier_score(forecast, known, known)

    grid = np.linspace(*np.quantile(y, [0.1, 0.9]), 50)
    exact = np.trapezoid(np.exp(-grid) * (1.0 - np.exp(-grid)), grid) / (grid[-1] - grid[0])
    assert brier(1.0) == pytest.approx(exact, abs=0.01)
    assert brier(1.0) < min(brier(0.5), brier(2.0))


def test_a_recorded_value_has_the_probability_of_its_interval():
    source = targets.Source("", "", "y", "spike", 1.0, 0.0, 10.0)
    y = np.array([0.0, 3.0, 10.0, 4.0])
    known = targets.recorded(source, y, np.array([False, False, False, True]))
    normal = norm(np.full(4, 2.0), 3.0)
    expected = np.log(
        [normal.cdf(0.5)[0], normal.cdf(3.5)[0] - normal.cdf(2.5)[0], normal.sf(9.5)[0], normal.sf(3.5)[0]]
    )
    np.testing.assert_allclose(targets.Frozen(normal).log_score(known), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("count", {"support": "positive", "resolution": 1.0}),
        ("spike", {"limits": (0.0, 9.0), "resolution": 1.0}),
        ("rounded", {"resolution": 1.0}),
    ],
)
def test_probabilities_of_all_that_can_be_recorded_sum_to_one(kind, known):
    high = 9.0 if kind == "spike" else np.inf
    source = targets.Source("", "", "y", kind, 1.0, -np.inf if kind == "rounded" else 0.0, high)
    assert targets.parameters(source) == known
    generator = np.random.default_rng(0)
    X = pandas.DataFrame({"x": generator.normal(size=60)})
    y = generator.poisson(np.exp(0.3 * X["x"] + 1.0)).clip(0, 9).astype(float)
    nothing = np.zeros(60, dtype=bool)
    model = MDNRegressor(2, max_iter=20, random_state=0, **targets.parameters(source)).fit(X, y)
    forecast = targets.Ours(model, X)
    first = -40.0 if kind == "rounded" else 0.0
    values = np.arange(first, min(high, 300.0) + 1.0)
    each = [forecast.log_score(targets.recorded(source, np.full(60, v), nothing)) for v in values]
    np.testing.assert_allclose(np.exp(each).sum(axis=0), 1.0, rtol=1e-3)


def test_targets_of_every_kind_run_and_fill_tables(tmp_path, capsys, monkeypatch):
    generator = np.random.default_rng(0)
    frame = pandas.DataFrame({"x": generator.normal(size=80), "c": np.array(["a", "b"])[np.arange(80) % 2]})
    frame["y"] = generator.poisson(np.exp(0.3 * frame["x"] + 1.0)) + 1.0
    frame["seen"] = generator.integers(0, 2, 80)
    sources = [
        targets.Source("p", kind, "y", kind, step, 0.0, high, event=event)
        for kind, step, high, event in [
            ("count", 1.0, np.inf, ""),
            ("positive", 0.0, np.inf, ""),
            ("survival", 0.0, np.inf, "seen"),
        ]
    ]
    monkeypatch.setattr(targets, "SOURCES", sources)
    monkeypatch.setattr(targets, "raw_frame", lambda source: frame)
    monkeypatch.setattr(targets, "MDNRegressor", lambda **settings: MDNRegressor(2, max_iter=3, **settings))
    methods = ["mdn", "hgb-poisson", "poisson", "hgb-gamma"]
    arguments = ["--splits", "1", "--methods", *methods, "--results", str(tmp_path / "targets.jsonl")]
    _, tables = run_with_out(
        targets.main, tmp_path, capsys, [*arguments, "--data", *(s.item for s in sources)]
    )
    for title in ("Log-probability", "Integrated Brier score", "CRPS", "90 % coverage"):
        assert title in tables
    lines = [json.loads(line) for line in (tmp_path / "targets.jsonl").read_text().splitlines()]
    assert len(lines) == 3 + 3
    assert all(np.isfinite(line["log_score"]) for line in lines)
