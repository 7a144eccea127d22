"""What do Intake's clients and servers say to each other, and what of it is let through? For the dialect, and for the gate's own server."""
