int e(void) { int unused; return 1; }
