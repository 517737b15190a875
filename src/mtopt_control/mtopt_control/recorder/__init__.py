"""Messages in, bags out: whole episodes, on disk before they are acknowledged."""
