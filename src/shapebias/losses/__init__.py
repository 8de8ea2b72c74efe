"""The MMSI loss and the whole training objective (Eq. 4): pure functions and a thin module."""

from shapebias.losses.mmsi import Axis, MMSILoss, correlation, mmsi_loss, mutual_shape_information
from shapebias.losses.objective import Weights, objective

__all__ = ["Axis", "MMSILoss", "Weights", "correlation", "mmsi_loss", "mutual_shape_information", "objective"]
