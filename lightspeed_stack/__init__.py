"""lightspeed_stack: a daemon that asks an LLM on behalf of a site's users and spools what was said."""
