"""The Model Context Protocol at /mcp, in both of its eras."""
