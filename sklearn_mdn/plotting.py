"""Displays of predicted densities and of how they stand up to what was observed.

In scikit-learn's convention: ``from_estimator`` and ``from_predictions`` compute and draw, ``plot(ax=...)``
draws again, ``ax_`` and ``figure_`` are what was drawn on. Matplotlib is imported when something is drawn.
"""

from sklearn_mdn._displays_calibration import PITDisplay, ReliabilityDisplay
from sklearn_mdn._displays_curves import DensityCurvesDisplay, DensityRidgeDisplay
from sklearn_mdn._displays_density import ConditionalDensityDisplay
from sklearn_mdn._displays_joint import JointDensityDisplay
from sklearn_mdn._displays_training import TrainingCurveDisplay

__all__ = [
    "ConditionalDensityDisplay",
    "DensityCurvesDisplay",
    "DensityRidgeDisplay",
    "JointDensityDisplay",
    "PITDisplay",
    "ReliabilityDisplay",
    "TrainingCurveDisplay",
]
