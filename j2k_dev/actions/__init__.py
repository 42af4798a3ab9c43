"""One action per arrow of the way of the data: record, plan, run, verify."""
