int a(void) { int unused; return 1; }
