"""The detector of bots, tried on a labelled corpus: whom it finds, whom it wrongly suspects."""
