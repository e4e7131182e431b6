// Command mutants asks how much our tests would notice: it changes one operator of a room at a time and runs the tests
// that reach it, until one fails.
//
// All mutants of a room are compiled into each test binary at once, and a file says which one is active: thousands of
// mutants cost some dozens of builds. The operators are those of gremlins 0.6.0. It is a tool of this repository and
// ships nothing.
package main
