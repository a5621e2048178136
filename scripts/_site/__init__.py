"""The documentation site: pages of docs/ and pages made from code, put together for mkdocs in `.site/`."""
