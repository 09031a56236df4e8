#include <stdio.h>
int main(void) { puts("expected 2, got 3"); return 3; }
