"""What people look at: tables, graphs and report.html."""
