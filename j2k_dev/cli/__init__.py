"""The command line: translates flags into actions, and is the one place that exits the process."""
