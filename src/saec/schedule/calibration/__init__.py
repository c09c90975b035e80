"""What scores and answers mean on a line: P(defect), trust, certified risk, drift."""
