template<int N> struct big { char a[N]; };
#define A(x) x,x,x,x,x,x,x,x,x,x
constexpr int fill(int n) { int s = 0; for (int i = 0; i < n; i++) s += i; return s; }
long table[] = { A(A(A(A(A(A(A(1))))))) };
