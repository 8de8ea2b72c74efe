"""Noticing collapse: the MMSI term can be maximised by latents that say nothing."""

from __future__ import annotations

RHO_NEAR_ONE = 0.98
NEAR_CHANCE = 0.1  # of the way from chance to all right
VANISHING_SPREAD = 1e-3  # standard deviation over samples, relative to the latents' mean size
REMEDIES = "lower --lambda-m (0.1), use --axis batch, or start from trained weights (--init)"


def collapse_warning(
    *, rho: float | None, stylized_top1: float | None, spread: float | None, classes: int, lambda_m: float
) -> str | None:
    """One line if the epoch's averages look collapsed, else None.

    Args:
        rho: mean absolute correlation of the two views' latents.
        stylized_top1: training accuracy on stylized views, a fraction.
        spread: standard deviation of the latents over the samples, relative to their mean absolute value.
        classes: number of classes; chance is one in that many.
        lambda_m: the weight of the MMSI term; without one there is nothing to warn of.
    """
    if not lambda_m:
        return None
    if spread is not None and spread < VANISHING_SPREAD:
        return f"collapse: the latents hardly vary over the images (relative spread {spread:.1e}); {REMEDIES}"
    near = 1 / classes + NEAR_CHANCE * (1 - 1 / classes)
    if rho is not None and stylized_top1 is not None and rho > RHO_NEAR_ONE and stylized_top1 < near:
        return (
            f"collapse: the views' latents agree (rho {rho:.3f}) but say nothing of the class "
            f"(stylized accuracy {stylized_top1:.1%}, chance {1 / classes:.1%}); {REMEDIES}"
        )
    return None
