"""One line over a service each: the row is the truth, the message only a doorbell."""
