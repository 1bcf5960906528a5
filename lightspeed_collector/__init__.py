"""lightspeed_collector: a timer-driven daemon that archives the spool, uploads it and deletes what was accepted."""
