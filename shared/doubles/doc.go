// Package doubles starts the clouds that nobody here wrote, moto and ministack, as processes on loopback: for tests, and
// for whoever compares them with AWS. It tells "did not start" (ErrNotStarted) and "ended too early" (ErrEnded), which
// are bad days of theirs, apart from whatever they answer while they run, which is ours to judge.
package doubles
