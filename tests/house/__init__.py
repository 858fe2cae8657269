"""House tests: rules that no linter knows, each with a message that says what to do."""
