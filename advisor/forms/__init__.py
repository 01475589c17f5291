"""Forms: types, ranges and units of what people type, one module a task."""
