// Package secretsmanager is AWS Secrets Manager: versions whose data keys lie under one or more KMS keys, replicas with
// keys of their own, rotation, recovery windows and secrets that other services own.
package secretsmanager
