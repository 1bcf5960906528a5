"""The reference ingress: takes uploads over HTTP, checks them, keeps each once, tells once. It hands nothing out."""
