"""Statistics of few samples: thresholds, AUROC, logistic regression, paired tests."""
