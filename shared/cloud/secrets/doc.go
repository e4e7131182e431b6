// Package secrets is Secrets Manager and KMS in every account and Region: what is true of secrets and keys, and the few
// changes that we make. Seal alone reads a value.
package secrets
