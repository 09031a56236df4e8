#include <stdio.h>
int main(void) { puts("1 + 1 is 3"); return 1; }
