"""Raw responses of people and models to cue-conflict images, in the published CSV format.

One row per trial: ``subj,session,trial,rt,object_response,category,condition,imagename``. The last
``_``-separated part of the image name is the file name of the image, ``shapeN-textureM.png``; the response ``na`` is a
trial without a decision. This is the format of the raw data of Geirhos et al. (2019) and of model-vs-human.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shapebias.data.categories16 import CATEGORIES
from shapebias.data.readers.cue_conflict import parse_name
from shapebias.data.tables import columns_of, read_table
from shapebias.errors import UserError
from shapebias.files import write_text

COLUMNS = ("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename")
UNDECIDED = "na"


@dataclass(frozen=True)
class Trial:
    """One response to one image: the fields of a row as text, in the order of the columns.

    ``place`` is the file and line that the row was read from.
    """

    observer: str
    session: str
    number: str
    seconds: str
    response: str
    category: str
    condition: str
    image_name: str
    place: str = field(default="", compare=False)

    @property
    def image(self) -> str:
        """File name of the image, such as ``cat1-elephant2.png``."""
        return self.image_name.rpartition("_")[2]

    @property
    def cues(self) -> tuple[str, str]:
        """Shape and texture category of the image."""
        cues = parse_name(Path(self.image).stem)
        if cues is None:
            raise UserError(
                f"{self.place}: '{self.image_name}' does not end in a cue-conflict image's name "
                "(expected ..._shapeN-textureM.png, as in ..._cat1-elephant2.png)"
            )
        return cues


def read_responses(path: Path, categories: Collection[str] = CATEGORIES) -> list[Trial]:
    """Read and check the trials of one file; columns are found as by ``read_table``.

    Args:
        path: the CSV file.
        categories: allowed categories of images and responses; the response ``na`` is always allowed.

    Raises:
        UserError: the file is unreadable or empty, a column, field or participant is missing, an image name or
            category is invalid, the category is not the shape of the image, or a trial occurs twice. The message
            names file and line.
    """
    rows = read_table(path, COLUMNS)
    trials = [Trial(*(row[name] for name in COLUMNS), place=f"{path}, line {line}") for line, row in rows]
    if not trials:
        raise UserError(f"{path} holds no trials: expected a header and one row per trial")
    for trial in trials:
        if not trial.observer:
            raise UserError(f"{trial.place}: no participant: name the person or model in the column subj")
        if trial.category != trial.cues[0]:
            raise UserError(
                f"{trial.place}: the category '{trial.category}' is not the shape in the image name '{trial.image}', "
                f"which is {trial.cues[0]}: correct the one that is wrong"
            )
        for what in trial.cues:
            if what not in categories:
                raise UserError(
                    f"{trial.place}: '{what}' in the image name '{trial.image}' is not among the categories"
                )
        if trial.response not in categories and trial.response != UNDECIDED:
            raise UserError(
                f"{trial.place}: the response '{trial.response}' is neither one of the {len(categories)} categories "
                f"nor {UNDECIDED}"
            )
    check_once(trials)
    return trials


def is_response_file(path: Path) -> bool:
    """Return whether the header of a CSV file has the columns of trials."""
    named = ("subj", "object_response", "category", "imagename")
    return columns_of(path, named) == set(named)


def check_once(trials: Iterable[Trial]) -> None:
    """Check that no trial number or image occurs twice for a participant in one session.

    Raises:
        UserError: one occurs twice; the message names both places.
    """
    seen: dict[tuple[str, ...], Trial] = {}
    for trial in trials:
        for what, value in (("trial", trial.number), ("image", trial.image)):
            first = seen.setdefault((trial.observer, trial.session, what, value), trial)
            if first is not trial:
                raise UserError(
                    f"{trial.place}: {what} {value} of {trial.observer}, session {trial.session}, occurs twice "
                    f"(first in {first.place}): remove one of the two rows"
                )


def trials_of(observer: str, answers: Sequence[str], shapes: Sequence[str], images: Sequence[Path]) -> list[Trial]:
    """Return a model's answers to ``images`` of the categories ``shapes`` as trials of one session."""
    found = []
    for number, (answer, shape, image) in enumerate(zip(answers, shapes, images, strict=True), start=1):
        name = f"{number:04}_cue_{observer.replace('_', '-')}_00_{shape}_00_{image.name.replace('_', '-')}"
        found.append(Trial(observer, "1", str(number), "NaN", answer, shape, "0", name))
    return found


def write_responses(path: Path, trials: Iterable[Trial]) -> None:
    """Write trials in the published format, atomically."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for trial in trials:
        row = (trial.observer, trial.session, trial.number, trial.seconds)
        writer.writerow([*row, trial.response, trial.category, trial.condition, trial.image_name])
    write_text(path, text.getvalue())
