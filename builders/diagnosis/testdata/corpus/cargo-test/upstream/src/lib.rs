pub fn add(a: u32, b: u32) -> u32 { a - b }
#[test]
fn adds() { assert_eq!(add(3, 1), 4); }
#[test]
fn fine() { assert!(true); }
