"""Displays of predicted densities and of how they stand up to what was observed.

In scikit-learn's convention: ``from_estimator`` and ``from_predictions`` compute and draw, ``plot(ax=...)``
draws again, ``ax_`` and ``figure_`` are what was drawn on. The keyword arguments of each kind of artist,
``line_kw`` say, are taken by all three. Targets go by the names of a series or a data frame, those that an
estimator was fitted with, or ``target_names``. Colours follow the style: what is drawn stands out from light
and dark axes. Matplotlib is imported when something is drawn.
"""

from sklearn_mdn.plotting._conditional import ConditionalDensityDisplay
from sklearn_mdn.plotting._coverage import SetCoverageDisplay
from sklearn_mdn.plotting._curves import DensityCurvesDisplay
from sklearn_mdn.plotting._joint import JointDensityDisplay
from sklearn_mdn.plotting._pit import PITDisplay
from sklearn_mdn.plotting._reliability import ReliabilityDisplay
from sklearn_mdn.plotting._ridge import DensityRidgeDisplay
from sklearn_mdn.plotting._training import TrainingCurveDisplay

__all__ = [
    "ConditionalDensityDisplay",
    "DensityCurvesDisplay",
    "DensityRidgeDisplay",
    "JointDensityDisplay",
    "PITDisplay",
    "ReliabilityDisplay",
    "SetCoverageDisplay",
    "TrainingCurveDisplay",
]

for _name in __all__:  # what users pickle, and what documentation links to, survives moves inside
    globals()[_name].__module__ = __name__
