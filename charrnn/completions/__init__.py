"""A server that speaks the completions protocol of OpenAI, for trained models."""
