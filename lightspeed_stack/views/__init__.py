"""One module an endpoint; a view reads as the story of its request. Collaborators come through its constructor."""
