int x(void) { struct point p = {0}; return p.x; }
