int f(int a) { return g(a; }
