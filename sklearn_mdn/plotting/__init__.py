"""Displays of predicted densities and of how they stand up to what was observed.

In scikit-learn's convention: ``from_estimator`` and ``from_predictions`` compute and draw, ``plot(ax=...)``
draws again, ``ax_`` and ``figure_`` are what was drawn on. Matplotlib is imported when something is drawn.
"""

from sklearn_mdn.plotting._calibration import PITDisplay, ReliabilityDisplay
from sklearn_mdn.plotting._curves import DensityCurvesDisplay, DensityRidgeDisplay
from sklearn_mdn.plotting._density import ConditionalDensityDisplay
from sklearn_mdn.plotting._joint import JointDensityDisplay
from sklearn_mdn.plotting._training import TrainingCurveDisplay

__all__ = [
    "ConditionalDensityDisplay",
    "DensityCurvesDisplay",
    "DensityRidgeDisplay",
    "JointDensityDisplay",
    "PITDisplay",
    "ReliabilityDisplay",
    "TrainingCurveDisplay",
]

for _name in __all__:  # what users pickle, and what documentation links to, survives moves inside
    globals()[_name].__module__ = __name__
