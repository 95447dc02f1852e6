"""What the services share (`common`), and what runs them on one machine (`devstack`)."""
