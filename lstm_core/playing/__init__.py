"""Orders become events and events tracks: plans, masked choices, packed weights, the engine, production."""
