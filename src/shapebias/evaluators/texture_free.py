"""Accuracy on images that have a shape and no texture: silhouettes, edges, sketches (Geirhos et al. 2019).

The folder has one folder of images per category. Folders called as in Sketchy (Sangkloy et al. 2016) are taken for
the category they belong to.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from shapebias.data.categories16 import CATEGORIES
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError, first_three
from shapebias.evaluators.base import data_details
from shapebias.evaluators.decision_mapping import CategoryEvaluator, DecisionMapping, decision_mapping
from shapebias.models.classifier import Classifier
from shapebias.models.predict import predict
from shapebias.results.results import EvalResult, Result
from shapebias.stats.intervals import wilson

SKETCHY = {
    "songbird": "bird",
    "sailboat": "boat",
    "wine_bottle": "bottle",
    "car_(sedan)": "car",
    "alarm_clock": "clock",
    "pickup_truck": "truck",
}


class TextureFree(CategoryEvaluator):
    """Share of images whose category is the model's answer; the evaluators differ in their images only.

    The data folder has one folder per category, or a folder of the evaluator's name with them; folders of other
    things are skipped and counted. Answers and
    their mapping are those of ``shape-bias``: the model's own classes where these hold all the folder's,
    else the 16 categories. Metric: ``top1`` (n: images; Wilson). The raw responses are written beside it.
    """

    def read(self, folder: Path) -> ImageSet:
        """Read the folders of the categories and of other things."""
        return read_class_folders(folder)

    def answering(self, model: Classifier) -> DecisionMapping:
        """Return the mapping of the model's outputs to the categories that the folder has images of."""
        wanted = set(self._categories(model).values())
        return decision_mapping(model, wanted, self.folder.root, self.config)

    def run(self, model: Classifier) -> EvalResult:
        """Answer every image, write the raw responses, and count."""
        folder, labels = self.folder, self.folder.labels
        how = self.answering(model)
        categories = {name: category for name, category in self._categories(model).items() if category in how.names}
        asked = [
            (path, categories[label]) for path, label in zip(folder.paths, labels, strict=True) if label in categories
        ]
        paths = [path for path, _ in asked]
        found = predict(model, paths, self.config.loading, title=self.name, read=how.scores)
        indices, answers = found.rows, [how.names[n] for n in found.values.argmax(1).tolist()]
        targets = [asked[int(i)][1] for i in indices]
        images = [paths[int(i)] for i in indices]
        file = self.write_answers(model, self.name, answers, targets, images)
        right = np.array([a == t for a, t in zip(answers, targets, strict=True)])
        truth = np.array(targets)
        result = Result(
            evaluator=self.name,
            metric="top1",
            value=float(right.mean()),
            n=len(right),
            ci95=wilson(int(right.sum()), len(right)),
            condition={"mapping": how.mapping},
            details={
                **how.details,
                "right": int(right.sum()),
                "answers": len(how.names),
                "chance": 1 / len(how.names),
                "responses": file,
                "per_category": {
                    category: {"n": int((truth == category).sum()), "value": float(right[truth == category].mean())}
                    for category in sorted(set(targets))
                },
                "other_categories_left_out": dict(Counter(label for label in labels if label not in categories)),
                "data": data_details(folder.root, len(indices), folder.fingerprint, found.unreadable),
            },
        )
        relative = tuple(image.relative_to(folder.root).as_posix() for image in images)
        return EvalResult([result], relative, {result.key: right[:, None].astype(np.float64)})

    def _categories(self, model: Classifier) -> dict[str, str]:
        """Return the category of each of the folder's classes that has one."""
        classes, own = self.folder.classes, set(model.identity.classes or ())
        named = {name: name if set(classes) <= own else SKETCHY.get(name, name) for name in classes}
        categories = {name: category for name, category in named.items() if category in own or category in CATEGORIES}
        if not categories:
            raise UserError(
                f"{self.folder.root} has no folder of a category: {', '.join(classes[:5])} are neither classes of "
                f"{model.identity.name} nor among the 16: give a folder with {first_three(CATEGORIES)}"
            )
        return categories


class Silhouettes(TextureFree):
    """Evaluator ``silhouettes``: filled outlines."""

    name = "silhouettes"
    needs = "filled silhouettes in folders of the 16 categories (github rgeirhos/texture-vs-shape)"
    below = ("silhouettes", "filled-silhouettes")


class Edges(TextureFree):
    """Evaluator ``edges``: contours."""

    name = "edges"
    needs = "contours in folders of the 16 categories (github rgeirhos/texture-vs-shape)"
    below = ("edges",)


class Sketches(TextureFree):
    """Evaluator ``sketches``: drawings by people."""

    name = "sketches"
    needs = "drawings in folders of categories, as the Sketchy Database has them"
    below = ("sketches", "sketch", "sketchy")
