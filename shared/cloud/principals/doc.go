// Package principals reads IAM: the roles, users, groups and policies of an account.
package principals
