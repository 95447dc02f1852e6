"""Five services. None imports another; they meet in HTTP calls and Kafka topics only."""
