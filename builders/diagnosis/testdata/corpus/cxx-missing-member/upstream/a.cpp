#include <string>
int a(const std::string &s) { return s.length2(); }
