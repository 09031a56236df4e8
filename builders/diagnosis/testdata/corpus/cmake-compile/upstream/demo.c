#include "other.h"
int main(void) { return other(); }
