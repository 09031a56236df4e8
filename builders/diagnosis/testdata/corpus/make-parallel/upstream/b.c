int b(void) { return missing_b; }
