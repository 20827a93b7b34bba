"""Words: text in, a vector for every word out; measured, drawn, and written as others read it."""
