"""Who changed what, chained by hashes; keys that sign, and files of evidence that anybody can check."""
