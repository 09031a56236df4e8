package main

import "fmt"

func main() {
	fmt.Println(greeting)
	var n int = "x"
}
