"""Real implementations that stand in for what a test can't have: a provider, an ingress, a process to talk to."""
