#include <assert.h>
int main(void) { int n = 2; assert(n + n == 5); return 0; }
