int c(void) { int unused; return 1; }
