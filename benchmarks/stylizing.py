"""What keeping style apart saves: encoding each style and content once, against once per stylized image.

Two views of each image in styles of a bank: codes ready and content encoded once for both views, against
the usual script's way, which encodes content and a style image for every stylized image. One process, in
turn; prints the ratio of the times.
"""

from __future__ import annotations

import statistics
import time

import torch

from shapebias.stylize import AdaIN

PAIRS = 7


def main() -> None:
    network = AdaIN().eval().requires_grad_(False).to(memory_format=torch.channels_last)
    content = torch.rand(16, 3, 128, 128).to(memory_format=torch.channels_last)
    styles = torch.rand(32, 3, 224, 224).to(memory_format=torch.channels_last)

    def separate() -> None:
        network.stylize(content, codes)

    def per_image() -> None:
        for number in range(32):
            network(content[number % 16][None], styles[number][None])

    codes = network.encode_style(styles)
    ratios = []
    for way in (separate, per_image):
        way()
    for _ in range(PAIRS):
        times = []
        for way in (separate, per_image):
            began = time.perf_counter()
            way()
            times.append(time.perf_counter() - began)
        ratios.append(times[0] / times[1])
    print(
        f"two views of 16 images, 128 px: ready codes, batched / content and 224 px style encoded per view = "
        f"{statistics.median(ratios):.2f} (median of {PAIRS}, {torch.get_num_threads()} threads)"
    )


if __name__ == "__main__":
    main()
