"""Judge frames as they come from a camera: arrays in BGR, as OpenCV gives them."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

import saec
from drawn_keypads import WORK, data_set

data = data_set()
line = saec.fit(data, out=WORK / "line", force=True)


def camera() -> Iterator[NDArray[np.uint8]]:
    """Stands for a camera: ``frame = cv2.VideoCapture(0).read()[1]``."""
    for path in sorted(data.glob("test/*/*.*"))[:10]:
        frame = cv2.imread(str(path))
        assert frame is not None
        yield frame.astype(np.uint8)


# Without a cloud each verdict comes before the next frame is taken.
for verdict in line.inspect_many(camera(), colour="bgr"):
    print("reject" if verdict.is_defect else "pass  ", verdict)
