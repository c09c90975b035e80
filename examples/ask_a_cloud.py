"""Ask a multimodal LLM about the images of which the edge is not sure, at most three of ten."""

import saec
from drawn_keypads import WORK, data_set

data = data_set()
line = saec.fit(data, out=WORK / "line", force=True)

# "small" is a demonstration; name a checkpoint's folder, its name on a hub, or a service's address.
cloud = saec.Cloud("small")
line = line.calibrate(data, cloud=cloud)  # how far it is trusted follows from labelled images
print(line.notes[0])

policy = saec.Policy(policy="value", budget=0.3, cost={"escape": 10})
for verdict in line.inspect_many(data, cloud=cloud, policy=policy):
    if verdict.decided_by == "cloud":
        words = verdict.explanation
        print(verdict, "" if words is None else f"{words.kind}: {words.description}")
