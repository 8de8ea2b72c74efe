"""Category name to drawing function."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shapebias.data.shapes16 import figures_animals as animals
from shapebias.data.shapes16 import figures_kitchen as kitchen
from shapebias.data.shapes16 import figures_pets as pets
from shapebias.data.shapes16 import figures_road as road
from shapebias.data.shapes16 import figures_room as room
from shapebias.data.shapes16 import figures_vehicles as vehicles
from shapebias.data.shapes16.draw import Drawing

FIGURES: dict[str, Callable[[np.random.Generator], Drawing]] = {
    "airplane": vehicles.airplane,
    "bear": animals.bear,
    "bicycle": vehicles.bicycle,
    "bird": animals.bird,
    "boat": vehicles.boat,
    "bottle": kitchen.bottle,
    "car": road.car,
    "cat": pets.cat,
    "chair": room.chair,
    "clock": room.clock,
    "dog": pets.dog,
    "elephant": animals.elephant,
    "keyboard": room.keyboard,
    "knife": kitchen.knife,
    "oven": kitchen.oven,
    "truck": road.truck,
}
"""The function that draws each category: a random generator in, a drawing out."""
