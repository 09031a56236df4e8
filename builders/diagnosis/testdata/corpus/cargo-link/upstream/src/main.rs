#[link(name = "nosuchlibrary")]
extern "C" { fn greet(); }
fn main() { unsafe { greet() } }
