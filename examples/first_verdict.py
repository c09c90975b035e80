"""From good images to a verdict: fit a line, judge one image, and keep its picture."""

import saec
from drawn_keypads import WORK, data_set

data = data_set()
line = saec.fit(data, out=WORK / "line", force=True)
print(line)
for note in line.notes:
    print("-", note)

photo = sorted(data.glob("test/*/*.*"))[0]
verdict = line.inspect(photo)
print(verdict)
if verdict.is_defect:
    print(f"{photo} is a defect: P(defect) {verdict.p_defect:.3f}")

verdict.save_picture(WORK / "verdict.jpg")
print("with its anomaly map:", WORK / "verdict.jpg")
