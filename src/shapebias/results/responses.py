"""Raw responses of people and models to cue-conflict images, in the published CSV format.

One row per trial: ``subj,session,trial,rt,object_response,category,condition,imagename``. The last
``_``-separated part of the image name is the file name of the image, ``shapeN-textureM.png``; the response ``na`` is a
trial without a decision. This is the format of the raw data of Geirhos et al. (2019) and of model-vs-human.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shapebias.data.categories16 import CATEGORIES
from shapebias.data.readers.cue_conflict import parse_name
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
    """Read and check the trials of one file; columns may be in any order, and additional ones are ignored.

    Args:
        path: the CSV file.
        categories: allowed categories of images and responses; the response ``na`` is always allowed.

    Raises:
        UserError: the file is unreadable or empty, a column, field or participant is missing, an image name or
            category is invalid, the category is not the shape of the image, or a trial occurs twice. The message
            names file and line.
    """
    trials = list(_rows(path))
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
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = {name.strip() for name in next(csv.reader(file), [])}
    except (OSError, ValueError, csv.Error):
        return False
    return header >= {"subj", "object_response", "category", "imagename"}


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


def _rows(path: Path) -> Iterator[Trial]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in COLUMNS if name not in header]
            if missing and not header:
                raise UserError(f"{path} is empty: expected a header ({','.join(COLUMNS)}) and one row per trial")
            if missing:
                raise UserError(f"{path}, line 1: no column {', '.join(missing)} (it has {', '.join(header)[:200]})")
            places = [header.index(name) for name in COLUMNS]
            for row in reader:
                if not any(cell.strip() for cell in row):
                    continue
                line = f"{path}, line {reader.line_num}"
                if len(row) <= max(places):
                    raise UserError(f"{line}: {len(row)} fields where the header has {len(header)}")
                yield Trial(*(row[place].strip() for place in places), place=line)
    except FileNotFoundError as error:
        raise UserError(f"no file {path}") from error
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path} is not readable as CSV: {error}") from error
