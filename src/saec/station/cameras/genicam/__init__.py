"""GenICam through harvesters and the makers' GenTL producers, a process for each camera."""
