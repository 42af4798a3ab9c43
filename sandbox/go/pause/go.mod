module j2k.local/pause

go 1.24.0

