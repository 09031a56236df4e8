// Program emulator stands for an emulator: it says what it was asked to run.
package main

import (
	"fmt"
	"os"
)

func main() { fmt.Printf("%q\n", os.Args[1:]) }
