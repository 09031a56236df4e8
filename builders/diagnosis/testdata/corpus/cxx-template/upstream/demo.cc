#include <map>
#include <string>
#include <algorithm>
struct key { int n; };
int main() { std::map<key, std::string> m; m[key{1}] = "one"; std::sort(m.begin(), m.end()); return 0; }
