"""One product at the line: its versions, its edge, its questions to the cloud, its deadlines."""
