"""What is made of a campaign's runs: tables, targets met or missed, a file of all, a picture."""
