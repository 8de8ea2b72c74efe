"""Raw responses of people and models to cue-conflict images, in the published CSV format.

One row per trial: ``subj,session,trial,rt,object_response,category,condition,imagename``. The last ``_`` part of the
image name is the image's own, ``shapeN-textureM.png``; ``na`` is a trial without a decision. (The raw data of Geirhos
et al. 2019; what model-vs-human reads and writes.)
"""

from __future__ import annotations

import csv
import io
import re
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
    """One answer to one image: a row, its fields as text, in the columns' order.

    ``place`` is the file and line it was read from.
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
        """The image's own file name, as in ``cat1-elephant2.png``."""
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
    """The trials of one file, checked, in its order; columns may stand in any order and others beside them.

    Args:
        path: the CSV file.
        categories: what images may show and observers may answer, ``na`` besides.

    Raises:
        UserError: naming file and line: unreadable, empty, missing columns or fields, no observer, an
            image name outside the naming, a category that is not its shape, a category or response that is not
            among the ``categories``, a trial given twice.
    """
    trials = list(_rows(path))
    if not trials:
        raise UserError(f"{path} holds no trials: expected a header and one row per trial")
    for trial in trials:
        if not trial.observer:
            raise UserError(f"{trial.place}: no observer: name the person or network in the column subj")
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
    """Return whether a CSV file has the columns of trials, without reading further."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = {name.strip() for name in next(csv.reader(file), [])}
    except (OSError, ValueError, csv.Error):
        return False
    return header >= {"subj", "object_response", "category", "imagename"}


def check_once(trials: Iterable[Trial]) -> None:
    """Refuse a trial number or an image that an observer has twice in one session, naming both places."""
    seen: dict[tuple[str, ...], Trial] = {}
    for trial in trials:
        for what, value in (("trial", trial.number), ("image", trial.image)):
            first = seen.setdefault((trial.observer, trial.session, what, value), trial)
            if first is not trial:
                raise UserError(
                    f"{trial.place}: {what} {value} of {trial.observer}, session {trial.session}, was there before "
                    f"({first.place}): every trial counts once"
                )


def trials_of(observer: str, answers: Sequence[str], shapes: Sequence[str], images: Sequence[Path]) -> list[Trial]:
    """A model's answers to ``images`` of the categories ``shapes`` as trials of one session."""
    found = []
    for number, (answer, shape, image) in enumerate(zip(answers, shapes, images, strict=True), start=1):
        name = f"{number:04}_cue_{observer.replace('_', '-')}_00_{shape}_00_{image.name.replace('_', '-')}"
        found.append(Trial(observer, "1", str(number), "NaN", answer, shape, "0", name))
    return found


def write_responses(path: Path, trials: Iterable[Trial]) -> None:
    """Write trials in the published format, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for trial in trials:
        row = (trial.observer, trial.session, trial.number, trial.seconds)
        writer.writerow([*row, trial.response, trial.category, trial.condition, trial.image_name])
    write_text(path, text.getvalue())


def safe_name(name: str) -> str:
    """An observer's name as a part of a file's name."""
    return re.sub(r"^\.+|[^\w.+-]", "-", name)


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
