// Package handlers is what every function of the hub shares: its name, and the loop over a batch from SQS.
//
// It decides nothing. Each handler wires itself, in its own wire.go.
package handlers
