"""What several test files share: small images, folders, networks, runs and reports."""
