"""Judge a folder and write a table; verdicts come while the next images are being read."""

import csv

import saec
from drawn_keypads import WORK, data_set

data = data_set()
line = saec.fit(data, out=WORK / "line", force=True)

table = WORK / "verdicts.csv"
with table.open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(("image", "label", "score", "P(defect)", "why"))
    for verdict in line.inspect_many(data):
        writer.writerow((verdict.id, verdict.label_name, verdict.score, verdict.p_defect, verdict.reason))
        if verdict.state == "error":  # an image that could not be read is neither good nor a defect
            print(verdict.id, "was not judged:", verdict.error)
print(table)
