fn main() {
    let unused = 1;
    let n: u32 = "three";
    println!("{}", n + missing);
}
