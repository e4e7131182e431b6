// Package report says what Doublelock achieves and what it costs, as numbers that anybody can work out again.
//
// It computes from what it is given: it reads no clock, no account and no file.
package report
