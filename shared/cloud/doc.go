// Package cloud is the one door to AWS: every remote call goes through it, bounded in time and retried with care.
//
// It reads and changes what it is told to and answers in guard's words; no SDK type leaves it and it decides nothing.
// It never reads a secret's value, and never touches a foreign account with its own credentials.
package cloud
