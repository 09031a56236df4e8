int d(void) { return missing_d; }
