"""The operator's page: a process beside the station that people's browsers talk to."""
