#include "other.h"
int other(int a) { return a; }
