"""Where entries live: one protocol, whose calls never raise, and its stores."""
