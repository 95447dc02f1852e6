"""What at least two services use, and no rule of any one of them: contracts, edges, plumbing."""
