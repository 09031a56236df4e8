#include <stdio.h>
int main(void) { fputs("error: this is expected\n", stderr); return 0; }
