// Package remediate moves a secret that failed its control to a customer managed key, and proves that it did.
//
// It acts on one secret at a time, never without a journal entry that says the way back, never on what it does not
// fully understand, and never twice in ten minutes. It reads no value and writes none, so it cannot seal a secret.
package remediate
