// Package guard decides: what lock state a secret is in, which controls it fails, and what may be done about it.
//
// It is the middle of the house: every other room speaks its types, and it imports nothing but the standard
// library. It does no I/O, keeps no state and reads no clock; what it needs to know is handed to it.
package guard
