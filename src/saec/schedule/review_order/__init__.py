"""Which frames a person is asked about first, as a label of them teaches most; and which labels to doubt."""
