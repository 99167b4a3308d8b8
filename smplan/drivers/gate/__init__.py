"""Gates: waits with evidence for a condition, such as healthy targets. They create and change nothing."""
