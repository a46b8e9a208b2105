"""Floor 2: reading reports: ours, AWS's, anybody's in AWS's layout."""
