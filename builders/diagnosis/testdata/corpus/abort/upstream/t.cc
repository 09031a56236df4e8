#include <stdexcept>
#include <cstdio>
int main() { puts("testing"); fflush(stdout); throw std::runtime_error("no such key"); }
