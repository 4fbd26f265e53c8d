"""`make eval`: how much of what callers say arrives rightly on a ticket, as text and over the telephone."""
