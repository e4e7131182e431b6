// Package sandbox makes, uses and removes what somebody's own sandbox account is asked questions with: secrets, keys,
// roles and what carries events. Everything is named and tagged for the run that made it, and written down before it is
// made, so that it can be removed whatever happens; nothing else is ever removed.
//
// It acts with the credentials of whoever runs doublelock conformance. No function of the hub links it. Besides Seal it
// is the only code that reads a secret's value: of secrets that it made itself, with random values, which are dropped.
package sandbox
