#include <stdio.h>
int main(void) { puts("testing"); fflush(stdout); int *p = 0; return *p; }
