"""One module a screen, in the order of the stepper: home, connect, compare, select, review, run, resolve, result."""
