// Package kms is AWS KMS: keys with their states, policies, grants, aliases and rotation, and encryption that really
// needs the key.
package kms
