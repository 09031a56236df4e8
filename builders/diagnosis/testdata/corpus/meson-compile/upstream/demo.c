int x(void);
int main(int argc, char **argv) { return x(); }
